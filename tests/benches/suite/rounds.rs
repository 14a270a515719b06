//! Engines answer in turns: first all compare, then rounds are timed; then each once in a fresh process.

use std::time::Duration;

use model::TableName;
use tempfile::TempDir;

use super::data::{Files, Month};
use super::ours::{Ours, Took, rows};
use super::peers::{Peer, PeerName};
use super::same::Rows;
use super::shapes::{Case, DAY};
use crate::measure::{Stopwatch, median};
use crate::{Bench, process};

const ROUNDS_MIN: usize = 3;
const ROUNDS_MAX: usize = 9;
/// No further round of a case begins after it.
const CASE_BUDGET: Duration = Duration::from_millis(1_500);
/// Live segments beside the files.
pub(super) const LIVE: [usize; 2] = [10, 200];

/// All that takes part. Engines by place: ours, the peers, ours with live segments.
pub(super) struct Engines {
    pub(super) ours: Ours,
    pub(super) peers: [Peer; 2],
    pub(super) live: [Ours; 2],
    files: Files,
    links: TempDir,
}

/// What an engine took for one case, at the median.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timed {
    pub(super) ms: f64,
    /// Resident memory at its peak, bytes.
    pub(super) peak: u64,
}

/// One case.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) shape: &'static str,
    pub(super) window: &'static str,
    pub(super) rows: usize,
    pub(super) ours: Timed,
    pub(super) planning_ms: f64,
    /// Those that gave our answer, in the order of [`PeerName::ALL`].
    pub(super) peers: [Option<Timed>; 2],
    /// For one window only: in the order of [`LIVE`], and the first answer of fresh processes, ours first.
    pub(super) live_ms: Option<[f64; 2]>,
    pub(super) cold_ms: Option<[f64; 3]>,
}

/// What was not timed, and why.
pub(super) struct Unlike {
    pub(super) case: String,
    pub(super) engine: &'static str,
    pub(super) why: String,
}

impl Measured {
    /// To the faster peer.
    pub(super) fn ratio(&self) -> Option<f64> {
        let fastest = self.peers.iter().flatten().map(|peer| peer.ms).min_by(f64::total_cmp)?;
        Some(self.ours.ms / fastest)
    }
}

impl Engines {
    pub(super) fn start(bench: &Bench, month: &Month) -> Self {
        let ours = Ours::start(month.copy(bench));
        let files = Files::of(&ours.server);
        let in_files = ours.server.count("otel_logs_and_spans");
        let live = LIVE.map(|segments| {
            let live = Ours::start(month.copy(bench));
            let rows = month.add_live(&live.server, segments);
            assert_eq!(live.server.count("otel_logs_and_spans"), in_files + rows, "live rows are seen at once");
            live
        });
        Self { ours, peers: PeerName::ALL.map(Peer::start), live, files, links: bench.data() }
    }

    pub(super) fn size(&self, table: TableName) -> (u64, u64, u64) {
        self.files.size(table)
    }

    /// None: our own answer failed.
    pub(super) fn measure(&mut self, case: &Case, unlike: &mut Vec<Unlike>) -> Option<Measured> {
        let tables = self.files.within(case.span, self.links.path());
        let ours = match self.ours.ask(&case.ours) {
            Ok((_, answer)) => rows(&answer, case.same.columns),
            Err(why) => {
                unlike.push(Unlike { case: case.name(), engine: "ours", why });
                return None;
            }
        };
        let mut takes_part = [true; 2];
        for (at, peer) in self.peers.iter_mut().enumerate() {
            peer.read(&tables);
            if let Err(why) = compare(peer, &case.peers[at], &ours, case) {
                unlike.push(Unlike { case: case.name(), engine: peer.name.as_str(), why });
                takes_part[at] = false;
            }
        }
        let has_live = case.window == DAY;
        for live in self.live.iter().filter(|_| has_live) {
            live.ask(&case.ours).unwrap_or_else(|why| panic!("{} with live segments: {why}", case.name()));
        }
        let mut measured = self.timed(case, takes_part, has_live);
        measured.rows = ours.len();
        Some(measured)
    }

    fn timed(&mut self, case: &Case, takes_part: [bool; 2], has_live: bool) -> Measured {
        let pids = [self.ours.server.pid(), self.peers[0].pid(), self.peers[1].pid()];
        pids.iter().for_each(|pid| process::forget_peak(*pid));
        let (mut ours, mut peers, mut live) = (Vec::new(), [Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let watch = Stopwatch::start();
        for round in 0..ROUNDS_MAX {
            if round >= ROUNDS_MIN && watch.elapsed() > CASE_BUDGET {
                break;
            }
            // Each comes first once in a while.
            for turn in (0..5).map(|turn| (turn + round) % 5) {
                match turn {
                    0 => ours.push(answered(&self.ours, case)),
                    1 | 2 if takes_part[turn - 1] => {
                        let ms = self.peers[turn - 1].ask(&case.peers[turn - 1]);
                        peers[turn - 1].push(ms.unwrap_or_else(|why| panic!("{} again: {why}", case.name())));
                    }
                    3 | 4 if has_live => live[turn - 3].push(answered(&self.live[turn - 3], case).ms),
                    _ => {}
                }
            }
        }
        let peaks = pids.map(|pid| process::memory(pid).peak);
        let ms: Vec<f64> = ours.iter().map(|took| took.ms).collect();
        let planning: Vec<f64> = ours.iter().map(|took| took.planning_ms).collect();
        let peer = |at: usize| takes_part[at].then(|| Timed { ms: median(&peers[at]), peak: peaks[at + 1] });
        Measured {
            shape: case.shape,
            window: case.window,
            rows: 0,
            ours: Timed { ms: median(&ms), peak: peaks[0] },
            planning_ms: median(&planning),
            peers: [peer(0), peer(1)],
            live_ms: has_live.then(|| live.map(|of| median(&of))),
            cold_ms: None,
        }
    }

    /// The first answer of fresh processes, all of them here.
    pub(super) fn cold(self, cases: &[Case], measured: &mut [Measured]) {
        let Self { mut ours, files, links, .. } = self;
        for of in measured.iter_mut().filter(|of| of.window == DAY) {
            let case = cases.iter().find(|case| (case.shape, case.window) == (of.shape, of.window));
            let case = case.expect("it was measured");
            let tables = files.within(case.span, links.path());
            ours = ours.restarted();
            let our = answered(&ours, case).ms;
            let theirs = PeerName::ALL.map(|name| {
                let at = PeerName::ALL.iter().position(|other| *other == name).expect("it is one of them");
                of.peers[at].map_or(f64::NAN, |_| {
                    let mut peer = Peer::start(name);
                    peer.read(&tables);
                    peer.ask(&case.peers[at]).unwrap_or(f64::NAN)
                })
            });
            of.cold_ms = Some([our, theirs[0], theirs[1]]);
        }
    }
}

fn compare(peer: &mut Peer, sql: &str, ours: &Rows, case: &Case) -> Result<(), String> {
    let theirs = peer.rows(sql, case.same.columns)?;
    case.same.check(ours, &theirs)
}

/// It answered before.
fn answered(ours: &Ours, case: &Case) -> Took {
    ours.ask(&case.ours).unwrap_or_else(|why| panic!("{}: {why}", case.name())).0
}

impl Case {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.shape, self.window)
    }
}
