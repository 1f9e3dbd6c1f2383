//! Words for agents and people. Other people's text in them is fenced as data and cannot break out.

pub mod notes;
