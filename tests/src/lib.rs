//! The front door is code too: what `README.md` at the top shows compiles.
#![cfg_attr(doctest, doc = include_str!("../../README.md"))]
