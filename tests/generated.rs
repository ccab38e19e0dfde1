//! What is generated from the command line's definition is what shells and `man` can read.

#![allow(clippy::unwrap_used, reason = "what panics in a test is what the test found")]

use assert_cmd::Command;

/// A program that is on nearly every machine; none where it is not.
fn tool(name: &str) -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())?;
    Some(Command::new(found))
}

fn hostmeter(arguments: &[&str]) -> String {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("hostmeter"));
    let answer = command.args(arguments).assert().success();
    String::from_utf8(answer.get_output().stdout.clone()).unwrap()
}

#[test]
fn bash_understands_its_completions_and_completes_a_command() {
    let script = hostmeter(&["completions", "bash"]);
    let Some(mut bash) = tool("bash") else { return };
    let said = bash.arg("-n").write_stdin(script.as_str()).assert().success();
    assert!(said.get_output().stderr.is_empty());
    // What bash does when somebody types `hostmeter config i<Tab>`.
    let typed = "\nCOMP_WORDS=(hostmeter config i); COMP_CWORD=2; _hostmeter hostmeter i config\n\
                 printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let answer = tool("bash").unwrap().write_stdin(script + typed).assert().success();
    assert_eq!(String::from_utf8_lossy(&answer.get_output().stdout), "init\nimport\n");
}

#[test]
fn other_shells_are_known_and_unknown_ones_are_refused() {
    for (shell, begins) in
        [("zsh", "#compdef hostmeter\n"), ("fish", "# Print an optspec"), ("elvish", "\nuse ")]
    {
        let script = hostmeter(&["completions", shell]);
        assert!(script.starts_with(begins), "{shell}: {}", &script[..40]);
    }
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("hostmeter"));
    let refused = command.args(["completions", "cmd"]).assert().code(2);
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("bash, elvish, fish"));
}

/// A page as a terminal shows it, without the overstriking of bold and underlined letters; none without `groff`.
fn rendered(page: &str) -> Option<String> {
    let mut groff = tool("groff")?;
    let answer = groff.args(["-man", "-Tascii", "-P-cbou", "-ww"]).write_stdin(page).assert().success();
    let output = answer.get_output();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "what groff complains about");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_man_page_is_one_and_every_command_has_its_own() {
    let page = hostmeter(&["man"]);
    assert!(page.contains(".TH hostmeter 1"), "{page}");
    if let Some(text) = rendered(&page) {
        for part in
            ["NAME", "SYNOPSIS", "OPTIONS", "--config", "SUBCOMMANDS", "healthcheck", "Exit codes: 0 good"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let said = hostmeter(&["man", "--dir", path]);
    let files: Vec<_> = std::fs::read_dir(path).unwrap().flatten().collect();
    assert_eq!(said, format!("wrote {} pages to {path}\n", files.len()));
    for file in files {
        let page = std::fs::read_to_string(file.path()).unwrap();
        let named = format!(".TH {} 1", file.path().file_stem().unwrap().to_str().unwrap());
        assert!(page.contains(&named), "{named}: {page}");
        assert!(rendered(&page).is_none_or(|text| text.contains("SYNOPSIS")));
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error_with_its_name() {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("hostmeter"));
    let refused = command.args(["man", "--dir", "/nowhere/at/all"]).assert().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("/nowhere/at/all/hostmeter.1: not written"), "{said}");
}
