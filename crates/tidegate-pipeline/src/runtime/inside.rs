//! Persons inside venues, stepped where the flow window closes and again where it is revised.

use arrow::array::RecordBatch;
use tidegate_engine::Firing;
use tidegate_model::EventTime;

use super::{Event, Runtime};
use crate::occupancy::{JournalRow, correction_rows};

impl Runtime {
    /// Steps occupancy by the panes of the windows that close, once the quality of feeds is told.
    pub(super) fn step_occupancy(&mut self, firing: &Firing) {
        let Some(occupancies) = &mut self.occupancies else {
            return;
        };
        let window = occupancies.window();
        if !firing.windows.contains(&window) {
            return;
        }
        let read = firing.windows.iter().filter(|w| occupancies.reads(**w));
        let panes = read.flat_map(|w| {
            let rows = self.windows[*w].slot.rows();
            rows.into_iter().map(|rows| (*w, rows))
        });
        let panes: Vec<(usize, RecordBatch)> = panes.collect();
        let quality = &self.quality;
        let inputs = occupancies.inputs(&panes, |venue| quality.is_heard_at("venue", venue));
        let start = firing.end.minus(self.windows[window].size);
        let late = occupancies.take_pending();
        let rows = occupancies.step(start, firing.end, inputs);
        let table = occupancies.table(firing.end);
        self.stepped.occupancy.set(vec![table]);
        let told = [late, rows.clone()].concat();
        self.stepped
            .occupancy_correction
            .set(vec![correction_rows(&told)]);
        self.tell_corrections(&rows);
    }

    /// Steps occupancy again where late counts have changed these panes of windows to `end`.
    pub(super) fn revise_occupancy(&mut self, end: EventTime, panes: &[(usize, RecordBatch)]) {
        let Some(occupancies) = &mut self.occupancies else {
            return;
        };
        if !panes.iter().any(|(window, _)| occupancies.reads(*window)) {
            return;
        }
        let start = end.minus(self.windows[occupancies.window()].size);
        let revision = occupancies.revision(panes);
        let rows = occupancies.revise((start, end), revision);
        self.tell_corrections(&rows);
    }

    fn tell_corrections(&mut self, rows: &[JournalRow]) {
        let counted = rows.iter().filter(|row| row.is_counted()).count();
        self.summary.occupancy_corrections += counted as u64;
        if !rows.is_empty() {
            let rows = correction_rows(rows);
            self.events.push_back(Event::OccupancyCorrection(rows));
        }
    }
}
