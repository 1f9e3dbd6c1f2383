//! A record in words. (to come)
