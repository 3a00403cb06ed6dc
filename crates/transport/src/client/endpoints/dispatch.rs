//! Makes a call: on one endpoint, and if need be on others.

use std::borrow::Borrow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::Shared;
use super::super::call::{CallOutcome, CallRequest, exchange_terms};
use super::super::error::CallError;
use super::super::limits::{Limits, TimeLimit};
use super::super::times::{Phase, Progress};
use super::directory::Unknown;
use super::health::retry_pause;
use super::member::Member;
use super::set::{Choice, EndpointSet};
use super::verdict::{Verdict, is_endpoints_fault, verdict};

/// Over how many endpoints the time for connecting is spread at most: the first of them that says
/// nothing must leave time for others.
const SHARES: u32 = 3;
/// How long connecting to one endpoint may take when there are others, at most: enough for TLS around
/// the world, and for a lost SYN, which is sent again after a second, to be the reason to go elsewhere.
/// Where everything takes longer the last endpoint has all the time that is left, and probes have theirs.
const LONGEST_SHARE: Duration = Duration::from_secs(1);
/// How long a call that has failed everywhere waits for news of other endpoints.
const NEWS: Duration = Duration::from_secs(2);

/// Makes a call on the endpoint that has the least to do, and on others if it fails there and may.
pub(in super::super) async fn call(
    shared: &Arc<Shared>,
    request: Box<CallRequest>,
) -> Result<CallOutcome, CallError> {
    let directory = &shared.directory;
    directory.count_call();
    let limits = Limits::start(&shared.options, &request);
    let mut progress = Progress::start();
    let set = match directory.known() {
        Ok(set) => set,
        // Boxed, as is all that is rare: calls are moved about, and should not be large.
        Err(unknown) => Box::pin(resolve(shared, unknown, &limits, &mut progress)).await?,
    };
    let is_only = set.only().is_some();
    if let Some(delay) = request.hedge_delay
        && request.idempotent
        && !is_only
    {
        let course = Course::new(shared, Arc::new(*request), limits, progress, Vec::new());
        return Box::pin(course.hedge(delay)).await;
    }
    let mut choice = set.choose(&[], directory.random.next());
    directory.probe(&mut choice, limits.connect_timeout());
    let member = choice.member.ok_or_else(no_endpoint)?;
    let may_fail = is_only && directory.is_fixed() && !request.idempotent;
    let limits_of_first = limits.with_share(share(&set, &[], &limits, &progress));
    drop(set);
    let (result, request) =
        attempt(shared, &member, request, !may_fail, &limits_of_first, &mut progress).await;
    match (result, request) {
        (Err(error), Some(request)) => {
            let course = Course::new(shared, Arc::new(*request), limits, progress, vec![member]);
            Box::pin(course.go_on(error)).await
        }
        (result, _) => result,
    }
}

/// Waits for the first endpoints.
async fn resolve(
    shared: &Shared,
    unknown: Unknown,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Arc<EndpointSet>, CallError> {
    let rounds = match unknown {
        Unknown::Failed(failure) => return Err(CallError::Resolve(failure)),
        Unknown::Asked { rounds } => rounds,
    };
    progress.enter(Phase::Resolve);
    let resolution = pin!(shared.directory.resolution_after(rounds));
    let waited = limits.connecting(progress).run(resolution).await;
    waited.map_err(|ran_out| ran_out.error(progress))?;
    shared.directory.known().map_err(|_| match shared.directory.failure() {
        Some(failure) => CallError::Resolve(failure),
        None => no_endpoint(),
    })
}

/// Makes a call on one endpoint, and has it counted there. Returns the request if it is to be kept.
async fn attempt<R: Borrow<CallRequest> + Send + 'static>(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    request: R,
    keep: bool,
    limits: &Limits,
    progress: &mut Progress,
) -> (Result<CallOutcome, CallError>, Option<R>) {
    let visit = member.visit();
    let (result, request) = exchange_terms(shared, member, request, keep, limits, progress).await;
    if visit.report(&result, &shared.directory.random) {
        shared.directory.ask();
    }
    (result, request)
}

/// The part of the time for connecting that one endpoint may take: all of it when no other is left.
fn share(
    set: &EndpointSet,
    tried: &[Arc<Member>],
    limits: &Limits,
    progress: &Progress,
) -> Option<Duration> {
    let left = u32::try_from(set.untried(tried)).unwrap_or(SHARES).min(SHARES);
    (left > 1).then(|| (limits.connecting(progress).left / left).min(LONGEST_SHARE))
}

/// Or of all of the time, which then nobody is given any more of.
fn ran_out_of_share(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Timeout {
            phase: Phase::Connect | Phase::Tls,
            option: TimeLimit::ConnectTimeout,
            ..
        }
    )
}

fn is_of_tls(error: &CallError) -> bool {
    matches!(error, CallError::Tls { .. })
}

/// A set is never empty.
fn no_endpoint() -> CallError {
    CallError::Internal("there is no endpoint".to_owned())
}

/// The course of a call that does not end with its first attempt.
struct Course<'a> {
    shared: &'a Arc<Shared>,
    request: Arc<CallRequest>,
    limits: Limits,
    progress: Progress,
    /// Where it was already; at first, and when none is left, nowhere.
    tried: Vec<Arc<Member>>,
    /// Where connecting took longer than its share of the time.
    cut_short: Vec<Arc<Member>>,
    retries: u32,
    has_asked_for_news: bool,
}

impl<'a> Course<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        request: Arc<CallRequest>,
        limits: Limits,
        progress: Progress,
        tried: Vec<Arc<Member>>,
    ) -> Self {
        let cut_short = Vec::new();
        let (retries, has_asked_for_news) = (0, false);
        Self { shared, request, limits, progress, tried, cut_short, retries, has_asked_for_news }
    }

    /// Goes on after `error`, until there is an answer or nothing more to be done.
    async fn go_on(mut self, mut error: CallError) -> Result<CallOutcome, CallError> {
        let mut refused_trust = None;
        if ran_out_of_share(&error) {
            self.cut_short.extend(self.tried.last().cloned());
        }
        while let Some(member) = self.next(&error).await {
            self.tried.push(Arc::clone(&member));
            let limits = self.limits_at(&member);
            let request = Arc::clone(&self.request);
            let progress = &mut self.progress;
            let (result, _) =
                attempt(self.shared, &member, request, false, &limits, progress).await;
            match result {
                Ok(outcome) => return Ok(outcome),
                Err(next) => {
                    if ran_out_of_share(&next) {
                        self.cut_short.push(member);
                    }
                    let previous = std::mem::replace(&mut error, next);
                    refused_trust = refused_trust.or(is_of_tls(&previous).then_some(previous));
                }
            }
        }
        // A server that is there and not to be trusted says more than one that is not there, such as at
        // the other address of a name.
        match refused_trust {
            Some(telling) if matches!(error, CallError::Connect { .. }) => Err(telling),
            _ => Err(error),
        }
    }

    /// Begins with one attempt, adds a second one elsewhere if there is no answer after `delay`, and
    /// takes what comes first. The other one is given up.
    async fn hedge(mut self, delay: Duration) -> Result<CallOutcome, CallError> {
        let member = self.elsewhere().ok_or_else(no_endpoint)?;
        self.tried.push(Arc::clone(&member));
        let mut first = Box::pin(self.detached_attempt(member));
        let ended = tokio::select! {
            biased;
            ended = &mut first => Some(ended),
            () = sleep(delay) => None,
        };
        if let Some((result, progress)) = ended {
            return self.settle(result, progress).await;
        }
        let Some(member) = self.second() else {
            let (result, progress) = first.await;
            return self.settle(result, progress).await;
        };
        self.tried.push(Arc::clone(&member));
        let mut second = Box::pin(self.detached_attempt(member));
        let (result, progress, is_second) = tokio::select! {
            biased;
            (result, progress) = &mut first => (result, progress, false),
            (result, progress) = &mut second => (result, progress, true),
        };
        if result.as_ref().is_err_and(|error| verdict(error) != Verdict::Final) {
            // The other one may still do better.
            let (result, progress) = if is_second { first.await } else { second.await };
            self.count_won(!is_second && result.is_ok());
            return self.settle(result, progress).await;
        }
        self.count_won(is_second);
        drop((first, second));
        self.settle(result, progress).await
    }

    async fn settle(
        mut self,
        result: Result<CallOutcome, CallError>,
        progress: Progress,
    ) -> Result<CallOutcome, CallError> {
        self.progress = progress;
        match result {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.go_on(error).await,
        }
    }

    /// An attempt that borrows nothing of this.
    fn detached_attempt(
        &self,
        member: Arc<Member>,
    ) -> impl Future<Output = (Result<CallOutcome, CallError>, Progress)> + Send + use<'a> {
        let shared = self.shared;
        let request = Arc::clone(&self.request);
        let limits = self.limits_at(&member);
        let mut progress = self.progress.clone();
        async move {
            let (result, _) =
                attempt(shared, &member, request, false, &limits, &mut progress).await;
            (result, progress)
        }
    }

    /// The endpoint of a hedge: one that is up, if the budget allows for it.
    fn second(&self) -> Option<Arc<Member>> {
        let member = self.elsewhere().filter(|member| member.is_up())?;
        if !self.shared.directory.take_retry() {
            return None;
        }
        self.shared.directory.hedges.fetch_add(1, Ordering::Relaxed);
        Some(member)
    }

    fn count_won(&self, won: bool) {
        if won {
            self.shared.directory.hedges_won.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where to try after `error`; `None` when that is the end of it.
    async fn next(&mut self, error: &CallError) -> Option<Arc<Member>> {
        match verdict(error) {
            Verdict::Final => None,
            Verdict::NotStarted => {
                let is_fault = is_endpoints_fault(error);
                match self.instead(is_fault).await.or_else(|| self.with_more_time()) {
                    Some(member) => {
                        self.shared.directory.failovers.fetch_add(1, Ordering::Relaxed);
                        Some(member)
                    }
                    None if is_fault => self.again().await,
                    None => None,
                }
            }
            Verdict::Repeatable => self.again().await,
            Verdict::RepeatableInTime if self.limits.is_bounded_as_a_whole() => self.again().await,
            Verdict::RepeatableInTime => None,
        }
    }

    /// An endpoint that was not tried yet, perhaps one that is not known yet.
    async fn instead(&mut self, look_for_news: bool) -> Option<Arc<Member>> {
        match self.elsewhere() {
            None if look_for_news => self.after_news().await,
            member => member,
        }
    }

    /// An endpoint that may have been about to answer when its share was over: no other is left, so all
    /// of the time is its own now.
    fn with_more_time(&mut self) -> Option<Arc<Member>> {
        let is_over = self.limits.connecting(&self.progress).left.is_zero();
        self.cut_short.pop().filter(|_| !is_over)
    }

    /// An endpoint that was not tried yet.
    fn elsewhere(&self) -> Option<Arc<Member>> {
        let directory = &self.shared.directory;
        let set = directory.known().ok()?;
        let mut choice: Choice = set.choose(&self.tried, directory.random.next());
        directory.probe(&mut choice, self.limits.connect_timeout());
        choice.member
    }

    /// An endpoint that was not known before: all others have failed, perhaps since they are gone.
    async fn after_news(&mut self) -> Option<Arc<Member>> {
        let directory = &self.shared.directory;
        if directory.is_fixed() || std::mem::replace(&mut self.has_asked_for_news, true) {
            return None;
        }
        self.progress.enter(Phase::Resolve);
        let left = self.limits.connecting(&self.progress).left;
        let rounds = directory.ask();
        let _ = timeout(left.min(NEWS), directory.resolution_after(rounds)).await;
        self.elsewhere()
    }

    /// Where to make an idempotent call again: elsewhere, or after a pause wherever it may be; nowhere
    /// when the client is being closed.
    async fn again(&mut self) -> Option<Arc<Member>> {
        let directory = &self.shared.directory;
        if self.shared.is_closing()
            || !self.request.idempotent
            || self.retries >= self.limits.max_retries
            || !directory.take_retry()
        {
            return None;
        }
        self.retries += 1;
        directory.retries.fetch_add(1, Ordering::Relaxed);
        if let Some(member) = self.elsewhere() {
            return Some(member);
        }
        self.tried.clear();
        self.progress.enter(Phase::Queued);
        tokio::select! {
            () = sleep(retry_pause(self.retries - 1, directory.random.next())) => (),
            () = self.shared.closing() => return None,
        }
        self.elsewhere()
    }

    fn limits_at(&self, member: &Arc<Member>) -> Limits {
        let others: Vec<_> =
            self.tried.iter().filter(|tried| !Arc::ptr_eq(tried, member)).cloned().collect();
        let set = self.shared.directory.known();
        let share = set.ok().and_then(|set| share(&set, &others, &self.limits, &self.progress));
        self.limits.with_share(share)
    }
}
