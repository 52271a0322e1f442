//! The outbox, shared by tasks: its work waits for the disk, so it is done on threads for that.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tidegate_dispatch::Notice;
use tidegate_dispatch::state::StatePart;
use tokio::sync::Notify;

use crate::outbox::{Batch, Outbox, OutboxError, ReadUpTo};

/// A shared outbox. Clones are the same one.
#[derive(Debug, Clone)]
pub struct OutboxHandle {
    outbox: Arc<Mutex<Outbox>>,
    changed: Arc<Notify>,
}

impl OutboxHandle {
    /// Shares an outbox.
    pub fn new(outbox: Outbox) -> Self {
        Self {
            outbox: Arc::new(Mutex::new(outbox)),
            changed: Arc::new(Notify::new()),
        }
    }

    /// Works with the outbox, away from the threads that tasks run on.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Outbox) -> T + Send + 'static,
    ) -> T {
        let outbox = Arc::clone(&self.outbox);
        let done = tokio::task::spawn_blocking(move || {
            // A panic undoes its transaction, so what is left is whole.
            work(&mut outbox.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match done.await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that ends cancels such work, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// [`Outbox::accept`]: once it returns, the notices reach their channels or become dead letters.
    ///
    /// # Errors
    /// Those of [`Outbox::accept`].
    pub async fn accept(
        &self,
        notices: Vec<Notice>,
        dispatch_parts: Vec<StatePart>,
        positions: Vec<ReadUpTo>,
        now: Timestamp,
    ) -> Result<usize, OutboxError> {
        let batch = Batch {
            notices,
            dispatch_parts,
            positions,
            done_orders: Vec::new(),
        };
        self.accept_batch(batch, now).await
    }

    /// [`Outbox::accept_batch`]: the same, with the orders that were applied.
    ///
    /// # Errors
    /// Those of [`Outbox::accept_batch`].
    pub async fn accept_batch(&self, batch: Batch, now: Timestamp) -> Result<usize, OutboxError> {
        let accepted = self
            .with(move |outbox| outbox.accept_batch(&batch, now))
            .await?;
        self.changed.notify_one();
        Ok(accepted)
    }

    /// [`Outbox::resend`].
    ///
    /// # Errors
    /// Those of [`Outbox::resend`].
    pub async fn resend(&self, id: &str, now: Timestamp) -> Result<(), OutboxError> {
        let id = id.to_owned();
        self.with(move |outbox| outbox.resend(&id, now)).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// [`Outbox::keep_standing`], before tasks work.
    pub(crate) fn keep_standing(&self, channels: &[&str]) -> Result<(), OutboxError> {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.keep_standing(channels)
    }

    /// Is over once something was accepted or made pending again since it was last over.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The file's name, for messages.
    pub fn path(&self) -> std::path::PathBuf {
        let outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        Path::to_owned(outbox.path())
    }
}
