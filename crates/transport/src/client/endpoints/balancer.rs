//! Chooses the less busy of two random endpoints.
//!
//! Clients do not herd, and the longest queue stays short (Mitzenmacher, "The Power of Two Choices
//! in Randomized Load Balancing", 2001).

pub(super) trait Candidate {
    fn pending(&self) -> usize;
    fn weight(&self) -> u32;
    /// Lower numbers come first.
    fn priority(&self) -> u16;
}

/// For eligible candidates of equal weight and priority. `random` has 64 random bits.
pub(super) fn choose_alike<T: Candidate>(candidates: &[T], random: u64) -> Option<&T> {
    let [first_draw, second_draw] = draws(random);
    let count = candidates.len() as u64;
    let first = below(first_draw, count)?;
    let Some(second) = below(second_draw, count - 1) else { return candidates.get(first) };
    let second = second + usize::from(second >= first);
    Some(less_busy(&candidates[first], &candidates[second]))
}

pub(super) fn choose<T: Candidate>(
    candidates: &[T],
    is_eligible: impl Fn(&T) -> bool,
    random: u64,
) -> Option<&T> {
    let eligible = || candidates.iter().filter(|candidate| is_eligible(candidate));
    let priority = eligible().map(Candidate::priority).min()?;
    let foremost = || eligible().filter(|candidate| candidate.priority() == priority);
    let [first_draw, second_draw] = draws(random);
    let first = weighted(foremost(), first_draw)?;
    let others = foremost().filter(|candidate| !std::ptr::eq(*candidate, first));
    Some(match weighted(others, second_draw) {
        Some(second) => less_busy(first, second),
        None => first,
    })
}

fn weighted<'a, T: Candidate>(
    candidates: impl Iterator<Item = &'a T> + Clone,
    draw: u32,
) -> Option<&'a T> {
    let total = candidates.clone().map(|candidate| u64::from(candidate.weight())).sum();
    let mut place = below(draw, total)? as u64;
    for candidate in candidates {
        let weight = u64::from(candidate.weight());
        if place < weight {
            return Some(candidate);
        }
        place -= weight;
    }
    None
}

fn less_busy<'a, T: Candidate>(first: &'a T, second: &'a T) -> &'a T {
    let load =
        |one: &T, other: &T| (one.pending() as u128 + 1).saturating_mul(u128::from(other.weight()));
    if load(second, first) < load(first, second) { second } else { first }
}

fn draws(random: u64) -> [u32; 2] {
    [(random >> 32) as u32, random as u32]
}

/// Lemire's multiplication; `None` if `limit` is 0.
fn below(draw: u32, limit: u64) -> Option<usize> {
    (limit > 0).then(|| ((u128::from(draw) * u128::from(limit)) >> 32) as usize)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::random::SplitMix;
    use super::*;
    use std::cell::Cell;

    #[derive(Debug)]
    struct Server {
        up: bool,
        pending: Cell<usize>,
        weight: u32,
        priority: u16,
        chosen: Cell<usize>,
    }

    impl Candidate for Server {
        fn pending(&self) -> usize {
            self.pending.get()
        }
        fn weight(&self) -> u32 {
            self.weight
        }
        fn priority(&self) -> u16 {
            self.priority
        }
    }

    fn choose_up(servers: &[Server], random: u64) -> Option<&Server> {
        choose(servers, |server| server.up, random)
    }

    fn server() -> Server {
        Server { up: true, pending: Cell::new(0), weight: 1, priority: 0, chosen: Cell::new(0) }
    }

    fn servers(count: usize) -> Vec<Server> {
        (0..count).map(|_| server()).collect()
    }

    fn run(
        servers: &[Server],
        times: usize,
        choice: impl Fn(&[Server], u64) -> Option<&Server>,
        then: impl Fn(&Server),
    ) {
        let random = SplitMix::new(7);
        for _ in 0..times {
            let server = choice(servers, random.next()).unwrap();
            server.chosen.set(server.chosen.get() + 1);
            then(server);
        }
    }

    fn chosen(servers: &[Server]) -> Vec<usize> {
        servers.iter().map(|server| server.chosen.get()).collect()
    }

    fn keep(server: &Server) {
        server.pending.set(server.pending.get() + 1);
    }

    #[test]
    fn no_candidates() {
        assert!(choose_alike::<Server>(&[], 1).is_none());
        assert!(choose_up(&[], 1).is_none());
        assert!(choose_up(&[Server { up: false, ..server() }], 1).is_none());
    }

    #[test]
    fn every_draw_chooses_a_candidate() {
        for random in [0, 1, u64::MAX, 1 << 32, u64::MAX << 32] {
            assert!(choose_alike(&servers(1), random).is_some());
            assert!(choose_up(&servers(1), random).is_some());
        }
    }

    #[test]
    fn idle_candidates_get_even_shares() {
        for choice in [choose_alike, choose_up] {
            let servers = servers(5);
            run(&servers, 10_000, choice, |_| ());
            for count in chosen(&servers) {
                assert!((1800..=2200).contains(&count), "{:?}", chosen(&servers));
            }
        }
    }

    #[test]
    fn pending_calls_stay_level() {
        for choice in [choose_alike, choose_up] {
            let servers = servers(10);
            run(&servers, 10_000, choice, keep);
            for count in chosen(&servers) {
                assert!((995..=1005).contains(&count), "{:?}", chosen(&servers));
            }
        }
    }

    #[test]
    fn the_busier_of_two_is_never_chosen() {
        for choice in [choose_alike, choose_up] {
            let servers = servers(2);
            servers[0].pending.set(1);
            run(&servers, 1000, choice, |_| ());
            assert_eq!(chosen(&servers), [0, 1000]);
        }
    }

    #[test]
    fn the_busiest_of_many_is_never_chosen() {
        for choice in [choose_alike, choose_up] {
            let servers = servers(4);
            servers[2].pending.set(9);
            run(&servers, 1000, choice, |_| ());
            assert_eq!(servers[2].chosen.get(), 0);
        }
    }

    #[test]
    fn shares_follow_the_weights() {
        let mut servers = servers(3);
        servers[1].weight = 2;
        servers[2].weight = 7;
        run(&servers, 10_000, choose_up, keep);
        for (count, expected) in chosen(&servers).into_iter().zip([1000, 2000, 7000]) {
            assert!(count.abs_diff(expected) < 50, "{:?}", chosen(&servers));
        }
    }

    #[test]
    fn ineligible_candidates_get_nothing() {
        let mut servers = servers(4);
        servers[0].up = false;
        servers[3].up = false;
        run(&servers, 1000, choose_up, |_| ());
        assert!(
            matches!(chosen(&servers)[..], [0, 400..=600, 400..=600, 0]),
            "{:?}",
            chosen(&servers)
        );
    }

    #[test]
    fn higher_priority_numbers_are_a_last_resort() {
        let mut servers = servers(3);
        servers[0].priority = 10;
        servers[2].priority = 20;
        servers[1].priority = 10;
        run(&servers, 100, choose_up, keep);
        assert_eq!(servers[2].chosen.get(), 0);
        servers[0].up = false;
        servers[1].up = false;
        run(&servers, 100, choose_up, keep);
        assert_eq!(servers[2].chosen.get(), 100);
    }

    #[test]
    fn largest_numbers_do_not_overflow() {
        let mut servers = servers(3);
        for server in &mut servers {
            server.weight = u32::MAX;
            server.pending.set(usize::MAX);
        }
        for random in [0, u64::MAX] {
            assert!(choose_up(&servers, random).is_some());
        }
    }
}
