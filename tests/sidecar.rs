//! The room `sidecar` from outside: the vectors, every code, schema and rules side by side.

#[cfg(test)]
#[path = "sidecar/codes.rs"]
mod codes;
#[cfg(test)]
#[path = "sidecar/hostile.rs"]
mod hostile;
#[cfg(test)]
#[path = "sidecar/place.rs"]
mod place;
#[cfg(test)]
#[path = "sidecar/properties.rs"]
mod properties;
#[cfg(test)]
#[path = "sidecar/vectors.rs"]
mod vectors;
