//! Who of the recorded services waits for whom. A declared name means the service of that name in the same scope, as it
//! does when a sidecar is accepted.

use std::collections::HashMap;

use crate::service::{Graph, Record, Scope};

/// The graph of `records`, by their places. What none of them is, nobody waits for.
pub fn graph<'a>(records: impl IntoIterator<Item = &'a Record>) -> Graph {
    let records: Vec<&Record> = records.into_iter().collect();
    if records.iter().all(|record| record.spec.lifecycle.depends_on.is_empty()) {
        return Graph::of(vec![Vec::new(); records.len()]);
    }
    let scopes: Vec<Scope> = records.iter().map(|record| record.scope()).collect();
    let mut places: HashMap<(&Scope, &str), usize> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        places.entry((&scopes[place], record.spec.name.as_str())).or_insert(place);
    }
    let needs = records.iter().zip(&scopes).map(|(record, scope)| {
        let names = record.spec.lifecycle.depends_on.iter();
        names.filter_map(|name| places.get(&(scope, name.as_str())).copied()).collect()
    });
    Graph::of(needs.collect())
}

/// `name` and all that must be up before it, directly or not, in the order of starting: it is the last. Empty if there is
/// no such record.
pub fn to_start<'a>(records: &'a [Record], name: &str) -> Vec<&'a Record> {
    let Some(place) = records.iter().position(|record| record.name == name) else { return Vec::new() };
    let mut order: Vec<usize> = graph(records).closure(&[place]);
    order.retain(|other| *other != place);
    order.into_iter().chain([place]).map(|place| &records[place]).collect()
}

/// The names of the records that wait for `record` themselves, in the order of the file.
pub fn dependents<'a>(records: &'a [Record], record: &Record) -> Vec<&'a str> {
    let is_one = |other: &&Record| {
        other.spec.lifecycle.depends_on.contains(&record.spec.name)
            && other.name != record.name
            && other.scope() == record.scope()
    };
    records.iter().filter(is_one).map(|other| other.name.as_str()).collect()
}

/// The order of stopping: places of `records` in levels, dependents before what they wait for.
pub fn to_stop<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Vec<usize>> {
    let mut levels = graph(records).levels();
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::service::Status;

    fn record(name: &str, declared: &str, project: &str, needs: &[&str]) -> Record {
        let mut record = sample::record(Status::Running);
        (record.name, record.spec.name, record.owner.project) = (name.into(), declared.into(), project.into());
        record.spec.lifecycle.depends_on = needs.iter().map(|need| (*need).to_owned()).collect();
        record
    }

    fn shop_and_bank() -> Vec<Record> {
        vec![
            record("web", "web", "shop", &["api", "db", "gone"]),
            record("api", "api", "shop", &["db"]),
            record("db", "db", "shop", &[]),
            record("web-1234", "web", "bank", &["db"]),
            record("db-1234", "db", "bank", &[]),
        ]
    }

    #[test]
    fn declared_names_are_of_the_same_scope() {
        let records = shop_and_bank();
        assert_eq!(graph(&records), Graph::of(vec![vec![1, 2], vec![2], vec![], vec![4], vec![]]));
        assert_eq!(dependents(&records, &records[2]), ["web", "api"]);
        assert_eq!(dependents(&records, &records[4]), ["web-1234"]);
        assert_eq!(dependents(&records, &records[0]), Vec::<&str>::new());
    }

    #[test]
    fn what_is_needed_starts_before_and_stops_after() {
        let records = shop_and_bank();
        let names = |records: Vec<&Record>| records.into_iter().map(|record| record.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(to_start(&records, "web")), ["db", "api", "web"]);
        assert_eq!(names(to_start(&records, "db-1234")), ["db-1234"]);
        assert_eq!(names(to_start(&records, "nobody")), Vec::<String>::new());
        assert_eq!(to_stop(&records), [vec![0], vec![1, 3], vec![2, 4]]);
        assert_eq!(to_stop(&records[2..3]), [vec![0]]);
    }

    #[test]
    fn circle_in_an_edited_file_has_an_order_all_the_same() {
        let records = [record("a", "a", "shop", &["b"]), record("b", "b", "shop", &["a"])];
        assert_eq!(to_start(&records, "a").len(), 2);
        assert_eq!(to_stop(&records), [vec![0, 1]]);
        let alone = [record("a", "a", "shop", &["a"])];
        assert_eq!(dependents(&alone, &alone[0]), Vec::<&str>::new());
        assert_eq!(to_start(&alone, "a").len(), 1);
    }
}
