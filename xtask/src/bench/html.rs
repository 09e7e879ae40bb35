use super::saved::Saved;
pub fn page(_: &Saved) -> String { String::new() }
