//! The room `sidecar` from outside: the vectors.

#[cfg(test)]
#[path = "sidecar/place.rs"]
mod place;
#[cfg(test)]
#[path = "sidecar/vectors.rs"]
mod vectors;
