//! The wish to stop, told to many tasks.

use tokio::sync::watch;

/// Waits for the wish to stop; clones wait for the same.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// Tells the tasks to stop; dropping it tells them too.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

pub(crate) fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Is over once the work is to stop.
    pub(crate) async fn asked(&mut self) {
        // Without a sender nobody is left to work for.
        drop(self.0.wait_for(|stop| *stop).await);
    }

    /// `None` when the work is to stop before `work` is done.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = work => Some(done),
        }
    }
}
