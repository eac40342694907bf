//! Exports one entry of each kind in every format, for `cargo xtask ocsf`: a folder and an age recipient as arguments.

#[path = "../src/export/samples.rs"]
mod samples;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use testudo_recorder::export::{Encrypted, Exporter, Format, Log, Recipient};

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let recipient: Recipient = arguments.next().ok_or("which recipient?")?.parse()?;
    for format in Format::ALL {
        let name = format!("samples.{}", format.as_str());
        export(format, BufWriter::new(File::create(folder.join(&name))?))?.flush()?;
        let file = BufWriter::new(File::create(folder.join(format!("{name}.age")))?);
        export(format, Encrypted::new(std::slice::from_ref(&recipient), file)?)?
            .finish()?
            .flush()?;
    }
    Ok(())
}

fn export<W: Write>(format: Format, output: W) -> Result<W, Failed> {
    let log = Log {
        origin: "testudo/0011223344556677".to_owned(),
        version: "0.0.0".to_owned(),
    };
    let mut exporter = Exporter::new(format, log, output)?;
    let mut leaves = Vec::new();
    for entry in samples::samples() {
        leaves.push(entry.encode()?);
    }
    leaves.push(b"an entry of a later version".to_vec());
    for (index, leaf) in (0..).zip(&leaves) {
        exporter.write(index, leaf)?;
    }
    Ok(exporter.finish())
}
