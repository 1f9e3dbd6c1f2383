//! A value together with the way to it. The way becomes a JSON Pointer only when something is wrong there.

use std::ops::Range;

use super::source::{Node, Object};

/// One step of the way from the document to a value.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Whole,
    Key(&'a str),
    Index(usize),
}

/// A value and where it stands; or, of an absent one, the object that lacks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    /// The value; of an absent one, the object that lacks it.
    pub(super) node: Node<'a>,
    is_absent: bool,
    step: Step<'a>,
    parent: Option<&'a Spot<'a>>,
}

impl<'a> Spot<'a> {
    /// The document.
    pub(super) fn whole(node: Node<'a>) -> Self {
        Self { node, is_absent: false, step: Step::Whole, parent: None }
    }

    /// The value under `key` of the object here.
    pub(super) fn key(&'a self, key: &'a str, node: Node<'a>) -> Self {
        Self { node, is_absent: false, step: Step::Key(key), parent: Some(self) }
    }

    /// The element `index` of the array here.
    pub(super) fn item(&'a self, index: usize, node: Node<'a>) -> Self {
        Self { node, is_absent: false, step: Step::Index(index), parent: Some(self) }
    }

    /// The value that should stand under `key` of the object here.
    pub(super) fn lacking(&'a self, key: &'a str) -> Self {
        Self { is_absent: true, ..self.key(key, self.node) }
    }

    /// Whether there is no value.
    pub(super) fn is_absent(&self) -> bool {
        self.is_absent
    }

    /// The bytes to show: the value, or the opening brace of what lacks it.
    pub(super) fn span(&self) -> Range<usize> {
        let span = self.node.span();
        if self.is_absent { span.start..span.start + 1 } else { span }
    }

    /// The JSON Pointer.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = self.parent.map(Spot::pointer).unwrap_or_default();
        match self.step {
            Step::Whole => {}
            Step::Key(key) => {
                pointer.push('/');
                pointer.push_str(&escaped(key));
            }
            Step::Index(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
        pointer
    }
}

/// A key as a step of a JSON Pointer (RFC 6901).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// An object, opened, with the way to it.
pub(super) struct Fields<'a> {
    pub(super) spot: Spot<'a>,
    pub(super) object: Object<'a>,
}

impl<'a> Fields<'a> {
    /// Opens the object at `spot`; `None` if it is none.
    pub(super) fn open(spot: Spot<'a>) -> Option<Self> {
        spot.node.object().map(|object| Self { spot, object })
    }

    /// The value of `key`; null counts as absent.
    pub(super) fn get<'b>(&'b self, key: &'b str) -> Option<Spot<'b>> {
        let node = self.object.get(key).filter(|node| !node.is_null())?;
        Some(self.spot.key(key, node))
    }

    /// The place of `key`: its value, also null, or where it should stand.
    pub(super) fn place<'b>(&'b self, key: &'b str) -> Spot<'b> {
        match self.object.get(key) {
            Some(node) => self.spot.key(key, node),
            None => self.spot.lacking(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::source::read;

    #[test]
    fn pointers_escape_what_would_break_them() {
        let document = Spot::whole(read(br#"{"a/b~":[1]}"#).unwrap());
        let fields = Fields::open(document).unwrap();
        let list = fields.get("a/b~").unwrap();
        assert_eq!(list.item(0, list.node).pointer(), "/a~1b~0/0");
        assert_eq!(fields.place("x").pointer(), "/x");
        assert_eq!(document.pointer(), "");
    }
}
