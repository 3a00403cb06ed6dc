#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use backwater_transport::{IoThread, IoThreadStopped};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn tasks_need_not_be_send_and_run_on_one_named_thread() {
    let io = IoThread::start(|| ()).unwrap();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 {
        let sender = sender.clone();
        io.spawn(move || async move {
            let local = std::rc::Rc::new(());
            tokio::task::yield_now().await;
            let thread = std::thread::current();
            sender.send((thread.id(), thread.name().map(str::to_owned))).unwrap();
            drop(local);
        })
        .unwrap();
    }
    let (first, name) = receiver.recv_timeout(PATIENCE).unwrap();
    let (second, _) = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first, second);
    assert_eq!(name.as_deref(), Some("backwater-io"));
}

#[test]
fn a_panic_ends_only_its_task() {
    let io = IoThread::start(|| ()).unwrap();
    let (sender, receiver) = mpsc::channel();
    let (held, dropped) = mpsc::channel::<()>();
    io.spawn(move || async move {
        let _held = held;
        panic!("expected by the test");
    })
    .unwrap();
    io.spawn(|| {
        #[expect(unreachable_code, reason = "the future is never made")]
        {
            panic!("expected by the test, too");
            async {}
        }
    })
    .unwrap();
    io.spawn(move || async move { sender.send("alive").unwrap() }).unwrap();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok("alive"));
    assert_eq!(dropped.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn parking_calls_the_hook_after_the_work_is_done() {
    let done = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::channel();
    let seen = Arc::clone(&done);
    let io = IoThread::start(move || {
        let _ = sender.send(seen.load(Ordering::SeqCst));
    })
    .unwrap();
    let work = Arc::clone(&done);
    io.spawn(move || async move {
        for _ in 0..3 {
            work.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    })
    .unwrap();
    while receiver.recv_timeout(PATIENCE).unwrap() != 3 {}
}

#[test]
fn a_panicking_hook_is_harmless() {
    let io = IoThread::start(|| panic!("expected by the test")).unwrap();
    let (sender, receiver) = mpsc::channel();
    io.spawn(move || async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        sender.send(()).unwrap();
    })
    .unwrap();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn shutdown_drops_tasks_and_refuses_new_ones() {
    let io = IoThread::start(|| ()).unwrap();
    let (held, dropped) = mpsc::channel::<()>();
    io.spawn(move || async move {
        let _held = held;
        std::future::pending::<()>().await;
    })
    .unwrap();
    io.shutdown();
    assert_eq!(dropped.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(io.spawn(|| async {}), Err(IoThreadStopped));
    io.shutdown();
}

#[test]
fn shutdown_from_within_does_not_wait_for_itself() {
    let io = Arc::new(IoThread::start(|| ()).unwrap());
    let (sender, receiver) = mpsc::channel();
    let inner = Arc::clone(&io);
    io.spawn(move || async move {
        inner.shutdown();
        sender.send(()).unwrap();
    })
    .unwrap();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn shutdown_does_not_wait_for_blocking_work() {
    let io = IoThread::start(|| ()).unwrap();
    let (started, is_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    io.spawn(move || async move {
        let blocking = tokio::task::spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = released.recv();
        });
        drop(blocking.await);
    })
    .unwrap();
    is_started.recv_timeout(PATIENCE).unwrap();
    io.shutdown();
    drop(release);
}

#[test]
fn no_task_is_lost_between_spinning_and_sleeping() {
    let io = IoThread::start(|| ()).unwrap();
    for spin in [1, 20, 1000] {
        io.set_spin(Duration::from_micros(spin));
        for number in 0..2000_u32 {
            let (sender, receiver) = mpsc::channel();
            io.spawn(move || async move { sender.send(number).unwrap() }).unwrap();
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok(number));
            // The thread may spin, fall asleep or sleep when the next one arrives.
            (0..number % 200 * 10).for_each(|_| std::hint::spin_loop());
        }
    }
}

#[test]
fn a_thread_spins_and_then_sleeps() {
    let looks = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&looks);
    let io = IoThread::start(move || {
        seen.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    io.set_spin(Duration::from_secs(3600));
    let ping = || {
        let (sender, receiver) = mpsc::channel();
        io.spawn(move || async move { sender.send(()).unwrap() }).unwrap();
        receiver.recv_timeout(PATIENCE).unwrap();
    };
    ping();
    let patience = Instant::now() + PATIENCE;
    while looks.load(Ordering::SeqCst) < 100 {
        assert!(Instant::now() < patience, "it does not look for events");
        std::thread::yield_now();
        ping();
    }
    io.set_spin(Duration::from_millis(1));
    ping();
    let mut before = usize::MAX;
    while looks.load(Ordering::SeqCst) != before {
        assert!(Instant::now() < patience, "it does not go to sleep");
        before = looks.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(100));
    }
}
