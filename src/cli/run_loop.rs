//! `run`: the loop.

use std::ffi::OsString;
use std::time::Duration;

use crate::base::error::{Error, Kind, Result};
use crate::ops::run_loop::{News, RealPace, Request};
use crate::{ops, view};

use super::exit::{End, Outcome};
use super::{Door, diagnostics};

/// The shortest interval, in seconds: more often is of no use.
const INTERVAL_MIN: f64 = 0.1;
/// The longest interval, in seconds: a day, as of the settings in seconds.
const INTERVAL_MAX: f64 = 86_400.0;

/// Do by itself what cron would call for: sweep, probe, take pending sidecars, until it is told to end
///
/// One loop per root: a second one ends with 7 and names the first. SIGTERM and SIGINT end it between two steps, with 0; services
/// live on, and so does the decision on a sidecar that is under way. Every tick reads the settings anew. Each service is
/// probed every `healthBackoffSec`. A step that fails is said, and the loop goes on. Says what it does, a line each; with
/// --format json it says nothing until it has ended: {"pid", "ticks", "failures"}.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed run --interval 10")]
pub(super) struct Args {
    /// Seconds between two ticks [default: a sixth of healthBackoffSec, from 1 to 60]
    #[arg(long, value_name = "S")]
    interval: Option<f64>,
}

/// Runs the loop.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    let interval = args.interval.map(checked).transpose()?;
    let context = door.context()?;
    let has_output = !door.ui.is_json();
    let mut accept: Vec<OsString> = ["managed", "accept", "--root"].map(OsString::from).into();
    accept.push(context.root.dir().into());
    accept.extend(door.ui.is_quiet().then(|| "--quiet".into()));
    let request = Request { interval, accept, has_output };
    let mut pace = RealPace::new()?;
    let on_news = |news: News<'_>| tell(door, &news);
    let ended = ops::run_loop::run(context, &request, &mut pace, &on_news)?;
    door.ui.data(if has_output { view::run_loop::ended_text(ended) } else { view::run_loop::ended_json(ended) })?;
    Ok(End::Done)
}

fn checked(seconds: f64) -> Result<Duration> {
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    let message = format!("an interval of {seconds} s is none that a loop can have");
    Err(Error::new(Kind::Usage, "usage", message)
        .with_hint(format!("give seconds from {INTERVAL_MIN} to {INTERVAL_MAX}, or leave --interval out")))
}

/// Says what there is to say. A stdout that takes nothing is no reason to end: the services are what matters.
fn tell(door: &Door, news: &News<'_>) {
    if matches!(news, News::Began { .. } | News::Resettled)
        && let Ok((_, loaded)) = door.settings()
    {
        diagnostics::settle(loaded.settings.log_level.word());
    }
    if let News::Failed { error, times } = news {
        door.ui.failure(error);
        if *times > 1 {
            door.ui.note(&format!("the same {times} times in a row"));
        }
        return;
    }
    if !door.ui.is_json()
        && let Some(text) = view::run_loop::words(news)
        && let Err(error) = door.ui.data(text)
    {
        log::warn!("{}", error.chain());
    }
}
