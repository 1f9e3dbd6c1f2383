//! Something else in the place of a file or a folder, and too few open files: every command under each.

use std::path::PathBuf;

use crate::faults::{ANY, Fault, LOOKERS, Patient, READERS, Row, WRITERS, by_way_of, plainly};

/// A path under the root that something else can take.
struct Place {
    path: PathBuf,
    away: PathBuf,
    what: What,
}

/// What takes it.
#[derive(Clone, Copy)]
enum What {
    File,
    Folder,
}

impl Place {
    fn new(patient: &Patient, path: &str, what: What) -> Self {
        let root = patient.world.root();
        Self { path: root.join(path), away: root.join("away"), what }
    }

    fn take(&self) {
        std::fs::rename(&self.path, &self.away).expect("moved");
        match self.what {
            What::File => std::fs::write(&self.path, "x").expect("written"),
            What::Folder => std::fs::create_dir(&self.path).expect("made"),
        }
    }

    fn give_back(&self) {
        match self.what {
            What::File => std::fs::remove_file(&self.path).expect("removed"),
            What::Folder => std::fs::remove_dir(&self.path).expect("removed"),
        }
        std::fs::rename(&self.away, &self.path).expect("moved back");
    }
}

/// `what` in the place of `path` while commands run.
fn in_place_of(patient: &Patient, path: &str, what: What, rows: &[Row<'_>]) {
    let place = Place::new(patient, path, what);
    patient.check(&Fault { apply: &|| place.take(), lift: &|| place.give_back(), run: &plainly(patient) }, rows);
}

#[test]
fn a_file_in_place_of_a_folder_is_said_and_costs_nothing() {
    let patient = Patient::new();
    let no_dir = "Not a directory";
    in_place_of(
        &patient,
        "engine",
        What::File,
        &[
            Row(&WRITERS, 1, no_dir),
            Row(&LOOKERS, 1, no_dir),
            Row(&READERS, 1, no_dir),
            Row(&["doctor"], 1, "[root-unwritable]"),
        ],
    );
    in_place_of(
        &patient,
        "engine/managed-run",
        What::File,
        &[
            Row(&["accept new"], 4, no_dir),
            Row(&["restart web", "renew web --ttl 5", "sweep", "reconcile"], 1, no_dir),
            Row(&["stop web", "release WORK"], 0, "stopped"),
            Row(&["remove-project shop"], 0, "removed"),
            Row(&["healthcheck"], 0, "healthy"),
            Row(&READERS, 0, ""),
            Row(&["doctor"], 1, "[root-unwritable]"),
        ],
    );
    in_place_of(
        &patient,
        "engine/managed-logs",
        What::File,
        &[
            Row(&["accept new"], 4, no_dir),
            Row(&["restart web", "sweep", "reconcile", "logs web"], 1, no_dir),
            Row(&["stop web", "release WORK"], 0, "stopped"),
            Row(&["remove-project shop"], 0, "removed"),
            Row(&["renew web --ttl 5"], 0, "lives until"),
            Row(&["healthcheck"], 0, "healthy"),
            Row(&["list", "show web", "context --project shop", "holders WORK"], 0, ""),
            Row(&["doctor"], ANY, ""),
        ],
    );
}

#[test]
fn a_folder_in_place_of_a_file_is_said_and_costs_nothing() {
    let patient = Patient::new();
    let is_dir = "Is a directory";
    in_place_of(
        &patient,
        "engine/managed-processes.json",
        What::Folder,
        &[
            Row(&WRITERS, 1, is_dir),
            Row(&LOOKERS, 1, is_dir),
            Row(&READERS, 1, is_dir),
            Row(&["doctor"], 1, "[state-unreadable]"),
        ],
    );
    in_place_of(
        &patient,
        "engine/managed-processes.lock",
        What::Folder,
        &[
            Row(&WRITERS, 1, is_dir),
            Row(&LOOKERS, 0, ""),
            Row(&READERS, 0, ""),
            Row(&["doctor"], 1, "[lock-unreadable]"),
        ],
    );
    // `remove-project` would end the service, and say that its log cannot be removed.
    let rows = [
        Row(&["restart web", "logs web"], 1, is_dir),
        Row(&["accept new"], 0, "accepted"),
        Row(&["stop web", "release WORK"], 0, "stopped"),
        Row(&["renew web --ttl 5"], 0, "lives until"),
        Row(&LOOKERS, 0, ""),
        Row(&["list", "show web", "context --project shop", "holders WORK"], 0, ""),
    ];
    let log = Place::new(&patient, "engine/managed-logs/web.log", What::Folder);
    patient.check_rows(&Fault { apply: &|| log.take(), lift: &|| log.give_back(), run: &plainly(&patient) }, &rows);
}

#[test]
fn too_few_open_files_are_said_and_cost_nothing() {
    let patient = Patient::new();
    let few = "Too many open files";
    let nothing = || {};
    let check = |limit: &str, rows: &[Row<'_>]| {
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        let args = ["-c", &script, "sh"];
        patient.check(&Fault { apply: &nothing, lift: &nothing, run: &by_way_of(&patient, "sh", &args) }, rows);
    };
    check(
        "4",
        &[
            Row(&WRITERS, 1, few),
            Row(&["reconcile", "holders WORK"], 1, few),
            // Whoever cannot ask does not call a service unhealthy.
            Row(&["healthcheck"], 4, "not known"),
            Row(&["sweep", "list", "show web", "context --project shop", "logs web"], 0, ""),
            Row(&["doctor"], ANY, ""),
        ],
    );
    // Enough to stop what runs, and to renew it; never enough to start anything, which is found out before anything ends.
    for limit in ["8", "12", "16", "24", "31"] {
        check(
            limit,
            &[
                Row(&["accept new", "restart web"], 1, few),
                Row(&["stop web", "release WORK"], 0, "stopped"),
                Row(&["remove-project shop"], 0, "removed"),
                Row(&["renew web --ttl 5"], 0, "lives until"),
                Row(&["sweep", "reconcile"], 0, ""),
                Row(&["healthcheck"], ANY, ""),
                Row(&READERS, 0, ""),
                Row(&["doctor"], ANY, ""),
            ],
        );
    }
}
