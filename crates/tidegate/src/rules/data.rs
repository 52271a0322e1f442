//! The rows that rules are tried on: a lake's layers, as columns.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use jiff::civil::Date;
use tidegate_alerts::Rule;
use tidegate_alerts::backtest::{
    Columns, LayerOutcome, LayerRun, LayerSettings, Selection, Subjects,
};
use tidegate_connect::{LakeTable, LayerFile};
use tidegate_model::{EventTime, parse_rfc3339};
use tidegate_pipeline::Pipeline;

use super::columns::{Reader, chosen, times};
use super::known_now::Revised;
use crate::batch;
use crate::cli::{Backfill, RulesData};

/// Columns that are always read; `unit` is read of the first rows only.
pub(super) const COLUMNS: [&str; 8] = [
    "window_start",
    "window_end",
    "subject_kind",
    "subject",
    "value",
    "coverage",
    "revision",
    "is_final",
];

/// Which rows of a window count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// The first final ones: what the live rules saw.
    AsOfArrival,
    /// The last final ones.
    AsKnownNow,
}

impl Rows {
    /// In words.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AsOfArrival => "as_of_arrival",
            Self::AsKnownNow => "as_known_now",
        }
    }
}

/// Where the rows come from.
#[derive(Debug)]
pub(super) struct Data {
    /// The lake.
    lake: PathBuf,
    /// Removed with everything in it when the command ends.
    scratch: Option<PathBuf>,
    /// What was said of the period.
    from: Option<EventTime>,
    to: Option<EventTime>,
    pub(super) rows: Rows,
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Some(scratch) = &self.scratch
            && let Err(error) = std::fs::remove_dir_all(scratch)
        {
            tracing::warn!(%error, folder = %scratch.display(), "A folder for computed layers stays.");
        }
    }
}

/// Shown a layer's rows.
pub(super) type Take<'a> = dyn FnMut(&Subjects, &Columns<'_>) + 'a;

impl Data {
    /// The data that `args` name; layers of recorded input are computed first.
    pub(super) async fn open(folder: &Path, pipeline: &Pipeline, args: &RulesData) -> Result<Self> {
        let time = |name: &str, text: &Option<String>| {
            let text = text.as_deref();
            text.map(|text| instant(pipeline, name, text)).transpose()
        };
        let (from, to) = (time("--from", &args.from)?, time("--to", &args.to)?);
        if let (Some(start), Some(end)) = (from, to)
            && start >= end
        {
            bail!("the period from {start} to {end} is empty: --from must be before --to");
        }
        let rows = if args.as_known_now {
            Rows::AsKnownNow
        } else {
            Rows::AsOfArrival
        };
        let mut data = Self {
            lake: PathBuf::new(),
            scratch: None,
            from,
            to,
            rows,
        };
        match &args.data {
            Some(lake) => {
                if !lake.join(LakeTable::Layer.as_str()).is_dir() {
                    bail!("{} is not a folder that a run has written", lake.display());
                }
                data.lake.clone_from(lake);
            }
            None if args.input.is_empty() => {
                bail!("say which data: --data LAKE, or --input FEED=PATH")
            }
            None => {
                let scratch = std::env::temp_dir();
                let scratch = scratch.join(format!("tidegate-rules-{}", std::process::id()));
                data.lake.clone_from(&scratch);
                data.scratch = Some(scratch.clone());
                let backfill = Backfill {
                    pipeline: folder.to_owned(),
                    input: args.input.clone(),
                    out: scratch,
                    json: false,
                };
                batch::backfill(&backfill).await?;
            }
        }
        Ok(data)
    }

    /// Shows every layer that any of the sets of rules reads to the machines of each, and gives the
    /// outcomes of each set, with all subjects that were met.
    pub(super) fn play(
        &self,
        pipeline: &Pipeline,
        sets: &[&[Rule]],
    ) -> Result<(Vec<Vec<LayerOutcome>>, BTreeSet<String>)> {
        let layers: BTreeSet<&str> = sets.iter().copied().flatten().map(Rule::layer).collect();
        self.check_layers(&layers, sets)?;
        let mut outcomes = vec![Vec::new(); sets.len()];
        let mut met = BTreeSet::new();
        let mut any = false;
        for layer in layers {
            let settings = self.settings(pipeline, layer)?;
            let of_layer = |rules: &[Rule]| {
                let rules = rules.iter().filter(|rule| rule.layer() == layer);
                pipeline.alert_machine(rules.cloned().collect())
            };
            let mut runs: Vec<LayerRun> = sets
                .iter()
                .map(|rules| LayerRun::new(of_layer(rules), settings.clone()))
                .collect();
            let reads_lo = sets.iter().copied().flatten().any(compares_lo);
            let subjects = self.read(pipeline, layer, reads_lo, &mut |subjects, rows| {
                for run in &mut runs {
                    run.take(subjects, rows);
                }
            })?;
            let horizon = self.horizon()?;
            for (run, outcomes) in runs.into_iter().zip(&mut outcomes) {
                let outcome = run.finish(&subjects, horizon);
                any |= outcome.coverage.rows > 0;
                outcomes.push(outcome);
            }
            met.extend(subjects.list().iter().map(|subject| subject.id.clone()));
        }
        if !any {
            bail!("{}", self.nothing(pipeline)?);
        }
        Ok((outcomes, met))
    }

    /// Shows the rows of `layer` that count, in the order of windows.
    pub(super) fn read(
        &self,
        pipeline: &Pipeline,
        layer: &str,
        reads_lo: bool,
        take: &mut Take<'_>,
    ) -> Result<Subjects> {
        let file = self.layer_file(layer)?;
        let mut columns = COLUMNS.to_vec();
        columns.extend(reads_lo.then_some("lo"));
        let mut reader = Reader::new(pipeline.directory());
        let period = self.period();
        let mut revised = match self.rows {
            Rows::AsOfArrival => None,
            Rows::AsKnownNow => {
                let mut revised = Revised::default();
                for batch in file.batches(&columns, period)? {
                    let again = chosen(&batch?, period, |revision| revision > 0)?;
                    if again.num_rows() > 0 {
                        let mut keep = |_: &Subjects, rows: &Columns<'_>, ranks: &[i32]| {
                            revised.keep(rows, ranks);
                        };
                        reader.show(&again, &mut keep)?;
                    }
                }
                Some(revised)
            }
        };
        let mut last = i64::MIN;
        for batch in file.batches(&columns, period)? {
            let rows = chosen(&batch?, period, |revision| revision == 0)?;
            self.check_order(layer, times(&rows, "window_end")?, &mut last)?;
            let mut pass = |subjects: &Subjects, rows: &Columns<'_>, _: &[i32]| match &mut revised {
                None => take(subjects, rows),
                Some(revised) => revised.merge(subjects, rows, take),
            };
            reader.show(&rows, &mut pass)?;
        }
        if let Some(revised) = &mut revised {
            revised.rest(&reader.subjects, take);
        }
        Ok(reader.subjects)
    }

    /// Windows come one after the other, as one task gives them out once.
    fn check_order(&self, layer: &str, ends: &[i64], last: &mut i64) -> Result<()> {
        for end in ends {
            if end < last {
                let [end, before] = [*end, *last].map(EventTime::from_micros);
                bail!(
                    "layer {layer:?} of {}: the window that ends at {end} comes after that of \
                     {before}: several tasks gave it out, or it was given out again; make a lake \
                     of the feeds by `tidegate backfill`",
                    self.lake.display()
                );
            }
            *last = *end;
        }
        Ok(())
    }

    /// What a run over `layer` is told.
    pub(super) fn settings(&self, pipeline: &Pipeline, layer: &str) -> Result<LayerSettings> {
        let found = pipeline.layers.iter().find(|one| one.name == layer);
        let found = found.context("rules rest on layers of the pipeline")?;
        let (window, _) = &pipeline.windows[found.window];
        Ok(LayerSettings {
            layer: layer.to_owned(),
            step: window.slide(),
            unit: self.unit(layer)?,
            full: self.full(window.name())?,
            from: self.from,
            to: self.to,
            selection: Selection::Matters,
        })
    }

    /// After which time windows end, and until when, microseconds.
    fn period(&self) -> (i64, i64) {
        let from = self.from.unwrap_or(EventTime::MIN);
        let to = self.to.unwrap_or(EventTime::MAX);
        (from.micros(), to.micros())
    }

    fn layer_path(&self, layer: &str) -> PathBuf {
        self.lake
            .join(LakeTable::Layer.as_str())
            .join(format!("{layer}.parquet"))
    }

    fn layer_file(&self, layer: &str) -> Result<LayerFile> {
        Ok(LayerFile::open(&self.layer_path(layer), &COLUMNS)?)
    }

    fn check_layers(&self, layers: &BTreeSet<&str>, sets: &[&[Rule]]) -> Result<()> {
        if layers.is_empty() {
            bail!("there are no rules to try");
        }
        let missing: Vec<&str> = layers
            .iter()
            .copied()
            .filter(|layer| !self.layer_path(layer).is_file())
            .collect();
        let Some(layer) = missing.first() else {
            return Ok(());
        };
        let rules = sets.iter().copied().flatten();
        let rules: BTreeSet<&str> = rules
            .filter(|rule| rule.layer() == *layer)
            .map(Rule::name)
            .collect();
        bail!(
            "layer {layer:?}, on which {} rests, is not in {}: it has {}",
            rules.into_iter().collect::<Vec<_>>().join(", "),
            self.lake.display(),
            self.layers()?.join(", ")
        )
    }

    /// The layers of the lake.
    fn layers(&self) -> Result<Vec<String>> {
        names(&self.lake.join(LakeTable::Layer.as_str()))
    }

    /// The unit of a layer's first rows.
    fn unit(&self, layer: &str) -> Result<String> {
        let file = self.layer_file(layer)?;
        let Some(batch) = file.batches(&["unit"], (i64::MIN, i64::MAX))?.next() else {
            return Ok(String::new());
        };
        let batch = batch?;
        let units = batch.column(0).as_dictionary::<Int32Type>();
        let Some(key) = units.key(0) else {
            return Ok(String::new());
        };
        Ok(units.values().as_string::<i32>().value(key).to_owned())
    }

    /// Ends of the windows of a query that had data, in the period, as its panes say.
    fn full(&self, window: &str) -> Result<Vec<EventTime>> {
        let path = self
            .lake
            .join(LakeTable::Pane.as_str())
            .join(format!("{window}.parquet"));
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let period = self.period();
        let columns = ["window_end", "revision", "is_final"];
        let file = LayerFile::open(&path, &columns)?;
        let mut ends = BTreeSet::new();
        for batch in file.batches(&columns, period)? {
            let rows = chosen(&batch?, period, |revision| revision == 0)?;
            let mut last = None;
            for end in times(&rows, "window_end")? {
                if last != Some(*end) {
                    ends.insert(*end);
                    last = Some(*end);
                }
            }
        }
        Ok(ends.into_iter().map(EventTime::from_micros).collect())
    }

    /// End of the last window of anything in the lake, within the period.
    fn horizon(&self) -> Result<Option<EventTime>> {
        let mut last = None;
        for table in [LakeTable::Pane, LakeTable::Layer] {
            let folder = self.lake.join(table.as_str());
            for name in names(&folder)? {
                let path = folder.join(format!("{name}.parquet"));
                let file = LayerFile::open(&path, &["window_end"])?;
                last = last.max(file.window_ends().map(|(_, last)| last));
            }
        }
        let last = last.map(EventTime::from_micros);
        Ok(last.map(|last| self.to.map_or(last, |to| to.min(last))))
    }

    /// Why there is nothing to show.
    fn nothing(&self, pipeline: &Pipeline) -> Result<String> {
        let mut ends: Option<(i64, i64)> = None;
        for layer in self.layers()? {
            if let Some((first, last)) = self.layer_file(&layer)?.window_ends() {
                let (low, high) = ends.unwrap_or((first, last));
                ends = Some((low.min(first), high.max(last)));
            }
        }
        let Some((first, last)) = ends else {
            return Ok(format!(
                "the layers in {} have no rows",
                self.lake.display()
            ));
        };
        let text = |time: i64| super::show::local(pipeline, EventTime::from_micros(time));
        Ok(format!(
            "no window of the rules' layers lies in the period: the windows in {} end from {} to {}",
            self.lake.display(),
            text(first),
            text(last)
        ))
    }
}

/// Whether a rule compares the lower bound.
pub(super) fn compares_lo(rule: &Rule) -> bool {
    rule.compare() == tidegate_alerts::Compare::Lo
}

/// The names of the Parquet files in a folder, ascending.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(names);
    };
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            names.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort();
    Ok(names)
}

/// A time of the command line: RFC 3339, or the start of a local day.
fn instant(pipeline: &Pipeline, name: &str, text: &str) -> Result<EventTime> {
    if let Ok(time) = parse_rfc3339(text) {
        return Ok(time);
    }
    let day: Option<Date> = text.parse().ok();
    let midnight = day.map(|day| day.at(0, 0, 0, 0));
    let start = midnight.and_then(|midnight| {
        let there = pipeline.zone.to_ambiguous_timestamp(midnight);
        there.compatible().ok()
    });
    let start = start.with_context(|| {
        format!("{name} {text:?} is neither a time such as 2026-06-04T08:00:00+08:00 nor a day such as 2026-06-04")
    })?;
    Ok(EventTime::from_micros(start.as_microsecond()))
}

/// The pipeline of a folder with the rules of another file, or its own.
pub(super) fn other_rules(pipeline: &Arc<Pipeline>, path: &Path) -> Result<Vec<Rule>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    pipeline.rules_of(&text).map_err(|mut problems| {
        for problem in &mut problems {
            problem.file = path.display().to_string();
        }
        crate::folder::BadPipeline(problems).into()
    })
}
