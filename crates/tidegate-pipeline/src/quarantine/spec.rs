//! What `[quarantine]` asks for, checked.

use tidegate_risk::quarantine::DAYS_MAX;

use crate::pipeline::{Keys, Layer};
use crate::{PipelineConfig, Reference};

const HEADER: &str = "[quarantine]";

/// How the load is made.
#[derive(Debug, Clone)]
pub(crate) struct QuarantineSpec {
    /// Index of the layer of arrivals by origin.
    pub(crate) layer: usize,
    /// Days ahead, today included.
    pub(crate) days: usize,
    /// Places, occupied ones included.
    pub(crate) places: u64,
}

impl Keys<'_> {
    /// The quarantine of those whom `reference` holds; what is wrong with it goes to the problems.
    pub(crate) fn quarantine(
        &mut self,
        config: &PipelineConfig,
        layers: &[Layer],
        reference: &Reference,
    ) -> Option<QuarantineSpec> {
        let config = config.quarantine.as_ref()?;
        let layer = layers.iter().position(|layer| layer.name == config.layer);
        if layer.is_none() {
            let message = format!("{:?} is not a layer", config.layer);
            self.problem(HEADER, 0, "layer", message);
        }
        if !(1..=DAYS_MAX).contains(&config.days) {
            let message = format!("{} is not 1 to {DAYS_MAX}", config.days);
            self.problem(HEADER, 0, "days", message);
        }
        if reference.held().next().is_none() {
            let message = "no origin has a tier with held_share: nobody is held";
            self.problem(HEADER, 0, "layer", message.to_owned());
        }
        let places = config.places;
        Some(QuarantineSpec {
            layer: layer?,
            days: config.days,
            places: places.unwrap_or_else(|| reference.quarantine_places()),
        })
    }
}
