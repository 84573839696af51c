//! The stories: what the house promises, each judged from outside.

mod architecture;
