//! `demo`: a guided tour.

use crate::base::error::Error;
use crate::ops::demo::{self, Told};
use crate::{ops, view};

use super::Door;
use super::exit::{End, Outcome};

/// See it work: a guided tour with a real service in a temporary root
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: minions managed demo")]
pub(super) struct Args {
    /// Be the tour's service, on this port
    #[arg(long, value_name = "PORT", hide = true)]
    serve: Option<u16>,
}

/// Gives the tour.
pub(super) fn run(args: &Args, door: &Door) -> Outcome {
    if let Some(port) = args.serve {
        let served = ops::demo_server::serve(port);
        return served.map(|()| End::Done).map_err(|error| Error::io(format!("cannot listen on port {port}"), error));
    }
    let program = std::env::current_exe().map_err(|error| Error::io("cannot find this very program", error))?;
    demo::run((&program, &["managed", "demo", "--serve"]), super::environment(), &|told| {
        let text = match told {
            Told::Line(line) if line.starts_with(' ') => format!("{line}\n"),
            Told::Line(line) => format!("\n{line}\n"),
            Told::Text(text) => view::escape::indented(text),
            Told::Accepted(report) => view::escape::indented(&view::accept::report_text(report, false)),
            Told::Swept(report) => view::escape::indented(&view::sweep::report_text(report, door.ui.table_style())),
            Told::Stopped(report) => view::escape::indented(&view::stop::report_text(report)),
            Told::Listed(records) => {
                let seen = records.iter().map(|(record, liveness)| (record, *liveness));
                view::escape::indented(&super::list::draw(seen, door))
            }
        };
        // A reader that is gone is no error, and the tour still tidies up after itself.
        door.ui.data(text).unwrap_or_default();
    })?;
    Ok(End::Done)
}
