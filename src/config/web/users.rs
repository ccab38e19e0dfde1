//! The hashes of passwords. None of them is ever shown.

use std::str::FromStr;

use bcrypt::HashParts;

/// The highest cost: four seconds on a machine of today. A request is not waited for longer than ten, and one
/// password is looked at at a time.
const MAX_COST: u32 = 16;

/// A hash as it is kept, or what is wrong with it.
pub(in crate::config) fn hash(text: &str) -> Result<&str, String> {
    let text = text.trim();
    let expected = "expected a bcrypt hash such as htpasswd -nBC 10 makes, found something else";
    // What the format has besides digits and letters, before a parser that thinks in bytes sees it.
    if !text.is_ascii() {
        return Err(expected.to_owned());
    }
    let parts = HashParts::from_str(text).map_err(|_| expected.to_owned())?;
    match parts.get_cost() {
        4..=MAX_COST => Ok(text),
        cost => Err(format!("expected a bcrypt hash of a cost from 4 to {MAX_COST}, found one of {cost}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

    #[test]
    fn a_hash_is_told_from_what_is_none_and_not_shown() {
        assert_eq!(hash(GOOD), Ok(GOOD));
        assert_eq!(hash(&format!(" {GOOD}\n")), Ok(GOOD));
        let wrong =
            ["", "secret", &GOOD[..59], "$2y$99$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze"];
        for wrong in
            wrong.into_iter().map(str::to_owned).chain([GOOD.replace('4', "é"), GOOD.replace('$', "!")])
        {
            let error = hash(&wrong).unwrap_err();
            assert!(error.starts_with("expected a bcrypt hash"), "{error}");
            assert!(wrong.is_empty() || !error.contains(&wrong), "{error}");
        }
        let dear = hash(&GOOD.replace("$10$", "$17$")).unwrap_err();
        assert_eq!(dear, "expected a bcrypt hash of a cost from 4 to 16, found one of 17");
    }
}
