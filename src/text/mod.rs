//! Words for agents and people. Other people's text in them is fenced as data and cannot break out.

pub mod context;
mod data;
pub mod hint;
pub mod notes;
