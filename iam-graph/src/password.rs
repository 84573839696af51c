//! Random passwords that nobody ever reads: made for one request, never kept, never logged.

use iam_core::Secret;
use rand::seq::{IndexedRandom, SliceRandom};

const CLASSES: [&[u8]; 4] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"abcdefghijklmnopqrstuvwxyz",
    b"0123456789",
    b"!#$%*+-.:=?@_~",
];
const LENGTH: usize = 32;

/// A password of 32 characters, with at least four of each class (Entra asks for three of the four
/// classes), from the operating system's seeded cryptographic generator: about 190 bits.
pub(crate) fn random() -> Secret {
    let mut rng = rand::rng();
    let all: Vec<u8> = CLASSES.concat();
    let mut characters: Vec<u8> = Vec::with_capacity(LENGTH);
    for class in CLASSES {
        characters.extend(
            std::iter::repeat_with(|| class.choose(&mut rng))
                .take(4)
                .flatten(),
        );
    }
    while characters.len() < LENGTH {
        characters.extend(all.choose(&mut rng));
    }
    characters.shuffle(&mut rng);
    Secret::new(characters.into_iter().map(char::from).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn passwords_are_long_mixed_and_different() {
        let made: HashSet<String> = (0..200).map(|_| random().expose().to_owned()).collect();
        assert_eq!(made.len(), 200);
        for password in made {
            assert_eq!(password.len(), LENGTH);
            for class in CLASSES {
                assert!(password.bytes().filter(|byte| class.contains(byte)).count() >= 4);
            }
        }
    }
}
