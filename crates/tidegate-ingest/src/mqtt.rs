//! Feeds that an MQTT broker has (MQTT 3.1.1).
//!
//! The session is persistent, so the broker keeps messages of quality 1 while we are away, and a
//! message is acknowledged to it (`PUBACK`) after Kafka acknowledged it to us, in the order in
//! which messages came. Quality 1 is *at least once*: what the broker did not see acknowledged it
//! sends again, and when the process was replaced meanwhile, that is a second record. The feed's
//! `dedup_within` takes it out. Within one process such repeats are recognised.

mod filter;
mod flight;
mod session;

use tokio::task::JoinSet;

use crate::deliver::Outlet;
use crate::error::IngestError;
use crate::plan::MqttPlan;
use crate::stop::{Stop, stop};
use session::Session;

/// Listens to all brokers until the work is to stop or one refuses its first login.
pub(crate) async fn mqtt(
    plans: &[MqttPlan],
    outlet: &Outlet,
    mut asked: Stop,
) -> Result<(), IngestError> {
    let (stopper, stopping) = stop();
    let mut tasks = JoinSet::new();
    for plan in plans {
        let session = Session::new(plan.clone(), outlet.clone())?;
        tasks.spawn(session.run(stopping.clone()));
    }
    let mut first = Ok(());
    let mut told = false;
    loop {
        tokio::select! {
            () = asked.asked(), if !told => {
                told = true;
                stopper.stop();
            }
            ended = tasks.join_next() => match ended {
                None => return first,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    stopper.stop();
                    first = first.and(Err(error));
                }
                Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            },
        }
    }
}
