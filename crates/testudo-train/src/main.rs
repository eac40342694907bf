//! Makes training rows, trains the small injection model, and measures it; `cargo xtask train` runs all of it.

mod disguise;
mod framed;
mod generate;
mod grammar;
mod random;
mod row;
mod strays;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

const HELP: &str = "\
testudo-train <task>

  generate TEMPLATES OUT.jsonl    rows composed from the templates in the folder TEMPLATES
  frame TEMPLATES DATA OUT.jsonl  requests of the corpora in the folder DATA, put into frames
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("testudo-train: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // Nobody left to tell when this fails.
    let _ignored = std::io::stderr().write_all(text.as_bytes());
}

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help"] => Ok(HELP.to_owned()),
        ["generate", templates, out] => {
            let rows = generate::generate(Path::new(templates))?;
            row::write(Path::new(out), &rows)?;
            let attacks = rows.iter().filter(|it| it.is_attack()).count();
            Ok(format!("{} rows, {attacks} of them attacks\n", rows.len()))
        }
        ["frame", templates, data, out] => {
            let rows = framed::framed(Path::new(templates), Path::new(data))?;
            row::write(Path::new(out), &rows)?;
            Ok(format!("{} rows\n", rows.len()))
        }
        _ => bail!(
            "`{}` is not a task; without arguments the tasks are listed",
            arguments.join(" ")
        ),
    }
}
