//! The token that lets a page ask something of a training.

use std::fmt::Write;

/// A token that nobody can guess: 128 bits from the operating system, as hexadecimal digits.
///
/// # Errors
///
/// The system has no source of randomness.
pub fn new_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    }))
}
