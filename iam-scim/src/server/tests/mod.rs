//! Tables over the pure parts.
