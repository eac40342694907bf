//! `testudo ledger export`: entries for other programs, one at a time, encrypted if asked.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context as _;
use testudo_gateway::system_clock::SystemClock;
use testudo_recorder::LogFolder;
use testudo_recorder::export::{Encrypted, Exporter, Format, Log, Recipient};
use testudo_recorder::query::{Cursor, Filter, Order, PAGE_ROWS_MAX};

use super::{filter, log, reader};
use crate::arguments::ledger::{Export, ExportFormat};
use crate::exit::Exit;
use crate::progress::Progress;

pub(super) async fn run(arguments: &Export, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    let recipient: Option<Recipient> = arguments.encrypt_to.as_deref().map(str::parse).transpose()?;
    let wanted = filter::wanted(&arguments.filter, &log, &SystemClock::new()).await?;
    let format = match arguments.format {
        ExportFormat::Jsonl => Format::JsonLines,
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Ocsf => Format::Ocsf,
    };
    let mut output: Box<dyn Write> = match &arguments.output {
        Some(path) => {
            let file = File::create_new(path)
                .with_context(|| format!("cannot make `{}`; an export replaces no file", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(out),
    };
    match recipient {
        Some(recipient) => {
            let encrypted = Encrypted::new(&[recipient], &mut output)?;
            let encrypted = entries(&log, wanted, format, encrypted).await?;
            encrypted.finish()?.flush()?;
        }
        None => entries(&log, wanted, format, &mut output).await?.flush()?,
    }
    Ok(Exit::Done)
}

async fn entries<W: Write>(log: &LogFolder, wanted: Option<Filter>, format: Format, output: W) -> anyhow::Result<W> {
    let about = Log {
        origin: log.checkpoint()?.checkpoint().origin().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let size = log.size()?;
    let mut exporter = Exporter::new(format, about, output)?;
    let mut progress = Progress::new("exported");
    match wanted {
        None => {}
        Some(all) if all == Filter::default() => each(log, size, &mut exporter, &mut progress)?,
        Some(wanted) => {
            let mut reader = reader(log).await?;
            let mut after: Option<Cursor> = None;
            loop {
                let page = reader.find(&wanted, Order::OldestFirst, PAGE_ROWS_MAX, after).await?;
                for row in &page.rows {
                    exporter.write(row.index, &log.entry(row.index)?)?;
                    progress.at(row.index, size);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    Ok(exporter.finish())
}

/// All entries, without the index.
fn each<W: Write>(
    log: &LogFolder,
    size: u64,
    exporter: &mut Exporter<W>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut index = 0;
    while index < size {
        for bytes in log.bundle(index / 256)? {
            if index < size {
                exporter.write(index, &bytes)?;
                index = index.saturating_add(1);
            }
        }
        progress.at(index, size);
    }
    Ok(())
}
