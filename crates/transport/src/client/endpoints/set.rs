use std::sync::Arc;
use std::time::Instant;

use super::super::options::{ClientOptions, ListedEndpoint};
use super::balancer::{Candidate, choose, choose_alike};
use super::endpoint::Endpoint;
use super::health::Epoch;

pub(in super::super) struct EndpointSet {
    entries: Vec<Entry>,
    alike: bool,
}

struct Entry {
    endpoint: Arc<Endpoint>,
    weight: u32,
    priority: u16,
}

#[derive(Default)]
pub(super) struct Choice {
    pub(super) endpoint: Option<Arc<Endpoint>>,
    pub(super) probes: Vec<(Arc<Endpoint>, Epoch)>,
}

impl EndpointSet {
    /// Reuses endpoints of `old`. The first listing of an address wins.
    pub(super) fn new(
        listed: Vec<ListedEndpoint>,
        old: Option<&EndpointSet>,
        options: &ClientOptions,
    ) -> Self {
        let mut entries = Vec::<Entry>::with_capacity(listed.len());
        for ListedEndpoint { address, weight, priority } in listed {
            if entries.iter().any(|entry| entry.endpoint.address == address) {
                continue;
            }
            let known = old.and_then(|old| old.endpoints().find(|known| known.address == address));
            let endpoint = known.cloned().unwrap_or_else(|| Endpoint::new(address, options));
            entries.push(Entry { endpoint, weight: weight.max(1), priority });
        }
        let alike = entries
            .windows(2)
            .all(|pair| (pair[0].weight, pair[0].priority) == (pair[1].weight, pair[1].priority));
        Self { entries, alike }
    }

    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.entries.iter().map(|entry| &entry.endpoint)
    }

    pub(super) fn contains(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.endpoints().any(|known| Arc::ptr_eq(known, endpoint))
    }

    pub(in super::super) fn only(&self) -> Option<&Arc<Endpoint>> {
        match &self.entries[..] {
            [entry] => Some(&entry.endpoint),
            _ => None,
        }
    }

    pub(in super::super) fn untried(&self, tried: &[Arc<Endpoint>]) -> usize {
        self.endpoints().filter(|endpoint| !is_among(tried, endpoint)).count()
    }

    pub(super) fn choose(&self, tried: &[Arc<Endpoint>], random: u64) -> Choice {
        if tried.is_empty() {
            if let Some(endpoint) = self.only() {
                return Choice { endpoint: Some(Arc::clone(endpoint)), ..Choice::default() };
            }
            if self.alike && self.endpoints().all(|endpoint| endpoint.is_up()) {
                let chosen = choose_alike(&self.entries, random);
                let endpoint = chosen.map(|entry| Arc::clone(&entry.endpoint));
                return Choice { endpoint, ..Choice::default() };
            }
        }
        self.choose_carefully(tried, Instant::now(), random)
    }

    fn choose_carefully(&self, tried: &[Arc<Endpoint>], now: Instant, random: u64) -> Choice {
        let is_untried = |endpoint: &Arc<Endpoint>| !is_among(tried, endpoint);
        let mut probes = Vec::new();
        for endpoint in self.endpoints().filter(|each| !each.is_up() && is_untried(each)) {
            if endpoint.begin_half_open(now) {
                return Choice { endpoint: Some(Arc::clone(endpoint)), probes };
            }
            if let Some(epoch) = endpoint.begin_probe(now) {
                probes.push((Arc::clone(endpoint), epoch));
            }
        }
        let is_eligible = |entry: &Entry| entry.endpoint.is_up() && is_untried(&entry.endpoint);
        let chosen = choose(&self.entries, is_eligible, random).map(|entry| &entry.endpoint);
        let least_bad = || {
            let untried = self.endpoints().filter(|endpoint| is_untried(endpoint));
            untried.min_by_key(|endpoint| endpoint.badness())
        };
        Choice { endpoint: chosen.or_else(least_bad).cloned(), probes }
    }
}

fn is_among(endpoints: &[Arc<Endpoint>], endpoint: &Arc<Endpoint>) -> bool {
    endpoints.iter().any(|known| Arc::ptr_eq(known, endpoint))
}

impl Candidate for Entry {
    fn pending(&self) -> usize {
        self.endpoint.pending()
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn priority(&self) -> u16 {
        self.priority
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::options::EndpointAddress;
    use super::super::endpoint::Feedback;
    use super::super::random::SplitMix;
    use super::*;
    use backwater_protocol::Secrets;
    use backwater_protocol::client::Settings;

    fn options() -> ClientOptions {
        let secrets = Secrets::new([b"secret".to_vec()]).unwrap();
        ClientOptions::of(Vec::new(), Settings::new(secrets))
    }

    fn listed(port: u16) -> ListedEndpoint {
        EndpointAddress::new("127.0.0.1", port).into()
    }

    fn set(listed: impl IntoIterator<Item = ListedEndpoint>) -> EndpointSet {
        EndpointSet::new(listed.into_iter().collect(), None, &options())
    }

    fn ports(set: &EndpointSet) -> Vec<u16> {
        set.endpoints().map(|endpoint| endpoint.address.port).collect()
    }

    fn eject(set: &EndpointSet, index: usize) {
        let endpoint = set.endpoints().nth(index).unwrap();
        assert!(endpoint.begin().report(Feedback::Failed, &SplitMix::new(1)));
    }

    fn chosen(set: &EndpointSet, tried: &[Arc<Endpoint>]) -> Vec<u16> {
        let random = SplitMix::new(1);
        let mut ports: Vec<_> = (0..1000)
            .filter_map(|_| set.choose(tried, random.next()).endpoint)
            .map(|endpoint| endpoint.address.port)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    #[test]
    fn the_first_listing_of_an_endpoint_counts() {
        let set = set([listed(1), listed(2), ListedEndpoint { weight: 9, ..listed(1) }]);
        assert_eq!(ports(&set), [1, 2]);
        assert!(set.alike);
    }

    #[test]
    fn a_new_list_keeps_known_endpoints() {
        let old = set([listed(1), listed(2)]);
        let new = EndpointSet::new(vec![listed(2), listed(3)], Some(&old), &options());
        assert_eq!(ports(&new), [2, 3]);
        let mut kept = old.endpoints().filter(|endpoint| new.contains(endpoint));
        assert_eq!(kept.next().unwrap().address.port, 2);
        assert!(kept.next().is_none());
    }

    #[test]
    fn ejected_and_tried_endpoints_are_not_chosen() {
        let set = set([listed(1), listed(2), listed(3)]);
        assert_eq!(chosen(&set, &[]), [1, 2, 3]);
        eject(&set, 0);
        assert_eq!(chosen(&set, &[]), [2, 3]);
        let tried: Vec<_> = set.endpoints().skip(1).take(1).cloned().collect();
        assert_eq!(chosen(&set, &tried), [3]);
        assert_eq!(set.untried(&tried), 2);
    }

    #[test]
    fn when_all_are_ejected_the_one_that_failed_least_is_chosen() {
        let set = set([listed(1), listed(2)]);
        eject(&set, 0);
        eject(&set, 1);
        eject(&set, 0);
        assert_eq!(chosen(&set, &[]), [2]);
        let tried: Vec<_> = set.endpoints().skip(1).cloned().collect();
        assert_eq!(chosen(&set, &tried), [1]);
        assert!(chosen(&set, &set.endpoints().cloned().collect::<Vec<_>>()).is_empty());
    }

    #[test]
    fn the_only_endpoint_is_always_chosen() {
        let set = set([listed(1)]);
        eject(&set, 0);
        assert_eq!(chosen(&set, &[]), [1]);
        assert!(set.only().is_some());
    }

    #[test]
    fn only_an_answer_restores_an_endpoint() {
        let set = set([listed(1), listed(2)]);
        eject(&set, 0);
        let endpoint = set.endpoints().next().unwrap();
        endpoint.begin().report(Feedback::Inconclusive, &SplitMix::new(1));
        assert!(!endpoint.is_up());
        endpoint.begin().report(Feedback::Answered, &SplitMix::new(1));
        assert!(endpoint.is_up());
    }

    #[test]
    fn an_attempt_is_pending_until_it_is_dropped() {
        let set = set([listed(1)]);
        let endpoint = set.only().unwrap();
        let attempts = [endpoint.begin(), endpoint.begin()];
        assert_eq!(endpoint.pending(), 2);
        drop(attempts);
        assert_eq!(endpoint.pending(), 0);
        assert_eq!(endpoint.stats(Instant::now()).calls, 2);
    }
}
