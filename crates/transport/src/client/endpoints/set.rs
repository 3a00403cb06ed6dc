//! The endpoints that a name, or several, stand for at the moment.

use std::sync::Arc;
use std::time::Instant;

use super::super::options::ClientOptions;
use super::super::options::ListedEndpoint;
use super::balancer::{Candidate, choose, choose_alike};
use super::health::Epoch;
use super::member::Member;

/// Endpoints to choose from. It never changes; another list makes another set, which shares the
/// members that are in both.
pub(super) struct EndpointSet {
    entries: Vec<Entry>,
    /// Whether all have the same weight and priority.
    alike: bool,
}

struct Entry {
    member: Arc<Member>,
    weight: u32,
    priority: u16,
}

/// Where a call should go, and what else is due.
#[derive(Default)]
pub(super) struct Choice {
    /// `None` when all have been tried.
    pub(super) member: Option<Arc<Member>>,
    /// Endpoints whose pause is over: a connection should be made to each.
    pub(super) probes: Vec<(Arc<Member>, Epoch)>,
}

impl EndpointSet {
    /// The set of a list, with the members of `old` that are still listed. An endpoint that is listed
    /// several times counts once, as it is listed first.
    pub(super) fn new(
        listed: Vec<ListedEndpoint>,
        old: Option<&EndpointSet>,
        options: &ClientOptions,
    ) -> Self {
        let mut entries = Vec::<Entry>::with_capacity(listed.len());
        for ListedEndpoint { endpoint, weight, priority } in listed {
            if entries.iter().any(|entry| entry.member.endpoint == endpoint) {
                continue;
            }
            let known =
                old.and_then(|old| old.members().find(|member| member.endpoint == endpoint));
            let member = known.cloned().unwrap_or_else(|| Member::new(endpoint, options));
            entries.push(Entry { member, weight: weight.max(1), priority });
        }
        let alike = entries
            .windows(2)
            .all(|pair| (pair[0].weight, pair[0].priority) == (pair[1].weight, pair[1].priority));
        Self { entries, alike }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.entries.iter().map(|entry| &entry.member)
    }

    pub(super) fn contains(&self, member: &Arc<Member>) -> bool {
        self.members().any(|known| Arc::ptr_eq(known, member))
    }

    /// The endpoint, if there is only one.
    pub(super) fn only(&self) -> Option<&Arc<Member>> {
        match &self.entries[..] {
            [entry] => Some(&entry.member),
            _ => None,
        }
    }

    /// Chooses an endpoint for a call that was at those of `tried` already. Those that are set aside
    /// are chosen only when no other is left.
    pub(super) fn choose(&self, tried: &[Arc<Member>], random: u64) -> Choice {
        if tried.is_empty() {
            if let Some(member) = self.only() {
                return Choice { member: Some(Arc::clone(member)), ..Choice::default() };
            }
            if self.alike && self.members().all(|member| member.is_up()) {
                let chosen = choose_alike(&self.entries, random);
                let member = chosen.map(|entry| Arc::clone(&entry.member));
                return Choice { member, ..Choice::default() };
            }
        }
        self.choose_carefully(tried, Instant::now(), random)
    }

    /// How many are not among those tried.
    pub(super) fn untried(&self, tried: &[Arc<Member>]) -> usize {
        self.members().filter(|member| !is_among(tried, member)).count()
    }

    fn choose_carefully(&self, tried: &[Arc<Member>], now: Instant, random: u64) -> Choice {
        let is_fresh = |member: &Arc<Member>| !is_among(tried, member);
        let mut probes = Vec::new();
        for member in self.members().filter(|member| !member.is_up() && is_fresh(member)) {
            if member.begin_trial(now) {
                return Choice { member: Some(Arc::clone(member)), probes };
            }
            if let Some(epoch) = member.begin_probe(now) {
                probes.push((Arc::clone(member), epoch));
            }
        }
        let is_eligible = |entry: &Entry| entry.member.is_up() && is_fresh(&entry.member);
        let chosen = choose(&self.entries, is_eligible, random).map(|entry| &entry.member);
        let least_bad = || {
            let fresh = self.members().filter(|member| is_fresh(member));
            fresh.min_by_key(|member| member.badness())
        };
        Choice { member: chosen.or_else(least_bad).cloned(), probes }
    }
}

fn is_among(members: &[Arc<Member>], member: &Arc<Member>) -> bool {
    members.iter().any(|known| Arc::ptr_eq(known, member))
}

impl Candidate for Entry {
    fn pending(&self) -> usize {
        self.member.pending()
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
    use super::super::super::error::CallError;
    use super::super::super::options::Endpoint;
    use super::super::random::SplitMix;
    use super::*;
    use backwater_protocol::Secrets;
    use backwater_protocol::client::Settings;
    use std::io;

    fn options() -> ClientOptions {
        let secrets = Secrets::new([b"secret".to_vec()]).unwrap();
        ClientOptions::of(Vec::new(), Settings::new(secrets))
    }

    fn listed(port: u16) -> ListedEndpoint {
        Endpoint::new("127.0.0.1", port).into()
    }

    fn set(listed: impl IntoIterator<Item = ListedEndpoint>) -> EndpointSet {
        EndpointSet::new(listed.into_iter().collect(), None, &options())
    }

    fn ports(set: &EndpointSet) -> Vec<u16> {
        set.members().map(|member| member.endpoint.port).collect()
    }

    fn refused(member: &Arc<Member>) -> Result<(), CallError> {
        let source = io::ErrorKind::ConnectionRefused.into();
        Err(CallError::Connect { endpoint: member.endpoint.clone(), source })
    }

    fn set_aside(set: &EndpointSet, index: usize) {
        let member = set.members().nth(index).unwrap();
        assert!(member.visit().report(&refused(member), &SplitMix::new(1)));
    }

    /// The ports that a thousand calls would go to.
    fn chosen(set: &EndpointSet, tried: &[Arc<Member>]) -> Vec<u16> {
        let random = SplitMix::new(1);
        let mut ports: Vec<_> = (0..1000)
            .filter_map(|_| set.choose(tried, random.next()).member)
            .map(|member| member.endpoint.port)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    #[test]
    fn each_endpoint_counts_once_as_it_is_listed_first() {
        let set = set([listed(1), listed(2), ListedEndpoint { weight: 9, ..listed(1) }]);
        assert_eq!(ports(&set), [1, 2]);
        assert!(set.alike);
    }

    #[test]
    fn another_list_shares_the_members_that_are_in_both() {
        let old = set([listed(1), listed(2)]);
        let new = EndpointSet::new(vec![listed(2), listed(3)], Some(&old), &options());
        assert_eq!(ports(&new), [2, 3]);
        let mut kept = old.members().filter(|member| new.contains(member));
        assert_eq!(kept.next().unwrap().endpoint.port, 2);
        assert!(kept.next().is_none());
    }

    #[test]
    fn those_that_are_set_aside_or_were_tried_are_not_chosen() {
        let set = set([listed(1), listed(2), listed(3)]);
        assert_eq!(chosen(&set, &[]), [1, 2, 3]);
        set_aside(&set, 0);
        assert_eq!(chosen(&set, &[]), [2, 3]);
        let tried: Vec<_> = set.members().skip(1).take(1).cloned().collect();
        assert_eq!(chosen(&set, &tried), [3]);
        assert_eq!(set.untried(&tried), 2);
    }

    #[test]
    fn when_all_are_set_aside_the_one_that_failed_least_is_chosen() {
        let set = set([listed(1), listed(2)]);
        set_aside(&set, 0);
        set_aside(&set, 1);
        set_aside(&set, 0);
        assert_eq!(chosen(&set, &[]), [2]);
        let tried: Vec<_> = set.members().skip(1).cloned().collect();
        assert_eq!(chosen(&set, &tried), [1]);
        assert!(chosen(&set, &set.members().cloned().collect::<Vec<_>>()).is_empty());
    }

    #[test]
    fn the_only_one_is_chosen_however_it_is() {
        let set = set([listed(1)]);
        set_aside(&set, 0);
        assert_eq!(chosen(&set, &[]), [1]);
        assert!(set.only().is_some());
    }

    #[test]
    fn an_answer_brings_back_and_what_is_no_answer_does_not() {
        let set = set([listed(1), listed(2)]);
        set_aside(&set, 0);
        let member = set.members().next().unwrap();
        member.visit().report::<()>(&Err(CallError::Closed), &SplitMix::new(1));
        assert!(!member.is_up());
        member.visit().report(&Ok(()), &SplitMix::new(1));
        assert!(member.is_up());
    }

    #[test]
    fn a_visit_is_pending_as_long_as_it_lives() {
        let set = set([listed(1)]);
        let member = set.only().unwrap();
        let visits = [member.visit(), member.visit()];
        assert_eq!(member.pending(), 2);
        drop(visits);
        assert_eq!(member.pending(), 0);
        assert_eq!(member.stats().calls, 2);
    }
}
