//! Whole fixture hosts for the integration tests: text archives such as `tests/hosts/<name>.txtar`, unpacked
//! into a directory.

mod txtar;

use std::path::Path;

/// Unpacks `tests/hosts/<name>.txtar`; the host lives as long as the directory.
pub(crate) fn unpack(name: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    apply(root.path(), &format!("hosts/{name}.txtar"));
    root
}

/// Lays `tests/<archive>` over what is in a directory.
pub(crate) fn apply(root: &Path, archive: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(archive);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    txtar::apply(root, archive, &text);
}
