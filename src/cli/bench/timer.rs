//! A timer finer than the runtime's own, whose steps are milliseconds: at 1,000 requests per second they would be the
//! larger part of what is measured.

use std::io;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
mod fine {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;
    use tokio::io::unix::AsyncFd;

    /// The kernel's own, to the microsecond; it wakes the thread that waits for sockets.
    #[derive(Debug)]
    pub(in super::super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(in super::super) fn new() -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK.union(TimerfdFlags::CLOEXEC))?;
            #[allow(
                deprecated,
                reason = "what took its place is unsafe for the sake of types that do not own what they wrap"
            )]
            let registered = AsyncFd::new(timer)?;
            Ok(Self(registered))
        }

        pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec {
                    tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: i64::from(wait.subsec_nanos()),
                },
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable_mut().await?;
                let mut expirations = [0; 8];
                if let Ok(read) = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?)) {
                    return read.map(drop);
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod fine {
    use std::io;
    use std::time::Duration;

    /// The runtime's own: it is late by up to a millisecond, and so the generator says of itself.
    #[derive(Debug)]
    pub(in super::super) struct Timer;

    impl Timer {
        pub(in super::super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn wait(&mut self, wait: Duration) -> io::Result<()> {
            tokio::time::sleep(wait).await;
            Ok(())
        }
    }
}

pub(super) use fine::Timer;

impl Timer {
    /// Waits until `instant`; returns at once when it has passed.
    pub(super) async fn until(&mut self, instant: Instant) -> io::Result<()> {
        match instant.checked_duration_since(Instant::now()) {
            Some(wait) if wait > Duration::ZERO => self.wait(wait).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_can_be_used_again() {
        let mut timer = Timer::new().unwrap();
        for wait in [0, 1, 300, 2_500] {
            let instant = Instant::now() + Duration::from_micros(wait);
            timer.until(instant).await.unwrap();
            assert!(Instant::now() >= instant, "{wait} µs");
        }
        // One that was given up does not ring for the next.
        let far = timer.until(Instant::now() + Duration::from_millis(50));
        assert!(futures_util::FutureExt::now_or_never(far).is_none());
        std::thread::sleep(Duration::from_millis(60));
        let instant = Instant::now() + Duration::from_millis(3);
        timer.until(instant).await.unwrap();
        assert!(Instant::now() >= instant);
    }
}
