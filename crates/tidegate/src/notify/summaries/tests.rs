//! Tries to have a summary told twice by schedules that look at once and again, to lose one over a
//! lake that is not there, and to have one of a time without data look like a quiet one.

use clap::Parser as _;
use serde_json::Value;
use tidegate_notify::{Order, Outbox, OutboxLimits};

use super::*;
use crate::cli::{Cli, Command};
use crate::notify::check;

const ROUTES: &str = "
    [[route]]
    name = 'default'
    channels = ['log']
    [[summary]]
    grid_unit = 'old-town'
    at = ['08:00', '20:00']
    channels = ['log', 'hall']
    out = 'out/{grid_unit}-{date}-{time}.html'
";
const CHANNELS: &str = "
    [[channel]]
    name = 'log'
    kind = 'stdout'
    [[channel]]
    name = 'hall'
    kind = 'stdout'
";

fn city() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/city")
}

/// The lake of half an hour at the East Market, before 08:00.
async fn lake(out: &Path) {
    let input = format!("venue={}", city().join("examples/venue.jsonl").display());
    let (city, out) = (city(), out.to_str().unwrap());
    let city = city.to_str().unwrap();
    let args = [
        "tidegate", "backfill", city, "--input", &input, "--out", out,
    ];
    let Command::Backfill(args) = Cli::parse_from(args).command else {
        panic!("it is one");
    };
    crate::batch::backfill(&args).await.unwrap();
}

struct Place {
    folder: TempDir,
    setup: Setup,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = crate::folder::load(&city()).await.unwrap();
        let setup = check(pipeline, ROUTES, CHANNELS, folder.path()).unwrap();
        Self { folder, setup }
    }

    fn outbox(&self) -> Outbox {
        Outbox::open(&self.folder.path().join("o"), OutboxLimits::default()).unwrap()
    }

    /// A process that begins now.
    fn schedule(&self) -> Schedule {
        Schedule {
            summaries: self.setup.plan.summaries().to_vec(),
            data: Data::Lake(self.folder.path().join("lake")),
            read_back: None,
            maker: Maker {
                pipeline: Arc::clone(&self.setup.pipeline),
                folder: self.folder.path().to_owned(),
                outbox: OutboxHandle::new(self.outbox()),
            },
            said: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    async fn look(&self, now: &str) -> Counts {
        let mut schedule = self.schedule();
        schedule.look(now.parse().unwrap()).await;
        schedule.counts
    }

    /// The orders, the oldest first, with their bodies.
    fn orders(&self) -> Vec<(Order, Value)> {
        let orders = self.outbox().orders(100).unwrap();
        let body = |order: Order| {
            let body = serde_json::from_str(&order.body).unwrap();
            (order, body)
        };
        orders.into_iter().rev().map(body).collect()
    }

    fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("out")) else {
            return Vec::new();
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

fn counts(ordered: u64, failed: u64, skipped: u64) -> Counts {
    Counts {
        ordered,
        failed,
        skipped,
    }
}

#[tokio::test]
async fn a_shift_is_told_once_on_each_channel() {
    let place = Place::new().await;
    lake(&place.folder.path().join("lake")).await;
    assert_eq!(
        place.look("2026-03-02T08:09:59+08:00").await,
        // The night before, of which the lake has nothing.
        counts(2, 0, 0)
    );
    let (_, body) = &place.orders()[0];
    let text = body["summary"]["text_en"].as_str().unwrap();
    assert!(text.contains("Incomplete: a time without data"), "{text}");
    for _ in 0..2 {
        // Two that look at the same time, as when one was started twice, and both again.
        let (mut one, mut other) = (place.schedule(), place.schedule());
        let now = "2026-03-02T08:10:00+08:00".parse().unwrap();
        tokio::join!(one.look(now), other.look(now));
        assert_eq!((one.counts.failed, other.counts.failed), (0, 0));
    }
    let orders = place.orders();
    assert_eq!(orders.len(), 4);
    let told: Vec<&str> = orders[2..]
        .iter()
        .map(|(_, body)| body["summary"]["channel"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["hall", "log"]);
    let (order, body) = &orders[3];
    assert_eq!(order.by, "schedule");
    let title = body["summary"]["title_en"].as_str().unwrap();
    assert!(title.starts_with("Old Town shift summary"), "{title}");
    assert!(
        title.contains("2026-03-01 20:00") && title.contains("2026-03-02 08:00"),
        "{title}"
    );
    let text = body["summary"]["text_en"].as_str().unwrap();
    assert!(text.contains("East Market"), "{text}");
    let files = [
        "old-town-2026-03-01-2000.html",
        "old-town-2026-03-02-0800.html",
    ];
    assert_eq!(place.files(), files);
    let page = std::fs::read_to_string(place.folder.path().join("out").join(files[1])).unwrap();
    assert!(
        page.contains("East Market") && page.contains("<svg"),
        "{page}"
    );
}

#[tokio::test]
async fn what_cannot_be_made_is_made_later_and_what_is_too_late_is_said() {
    let place = Place::new().await;
    let data = place.folder.path().join("lake");
    let (at_eight, later) = ("2026-03-02T08:10:00+08:00", "2026-03-02T08:11:00+08:00");
    assert_eq!(place.look(at_eight).await, counts(0, 1, 0));
    // A file that is none.
    std::fs::create_dir_all(data.join("feed_quality")).unwrap();
    std::fs::write(
        data.join("feed_quality/feed_quality.parquet"),
        "PAR1 no PAR1",
    )
    .unwrap();
    assert_eq!(place.look(at_eight).await, counts(0, 1, 0));
    assert!(place.orders().is_empty() && place.files().is_empty());
    std::fs::remove_dir_all(&data).unwrap();
    lake(&data).await;
    // A file that stands where the folder is to be.
    let blocked = place.folder.path().join("out");
    std::fs::write(&blocked, "").unwrap();
    assert_eq!(place.look(later).await, counts(0, 1, 0));
    std::fs::remove_file(&blocked).unwrap();
    assert_eq!(place.look(later).await, counts(2, 0, 0));
    // Two days away: on each channel three shifts are skipped, once, and the newest is told.
    let mut schedule = place.schedule();
    let back = "2026-03-04T09:00:00+08:00".parse().unwrap();
    std::fs::rename(&data, place.folder.path().join("elsewhere")).unwrap();
    for failed in 1..3 {
        schedule.look(back).await;
        assert_eq!(schedule.counts, counts(0, failed, 6));
    }
    std::fs::rename(place.folder.path().join("elsewhere"), &data).unwrap();
    schedule.look(back).await;
    assert_eq!(schedule.counts, counts(2, 2, 6));
    assert_eq!(
        place.look("2026-03-04T09:00:00+08:00").await,
        counts(0, 0, 0)
    );
}
