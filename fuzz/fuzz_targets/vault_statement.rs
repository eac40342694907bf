//! Statements and records of the vault: whatever the bytes, they are read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_vault::vault::{Record, Statement, VaultName, VersionId};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(statement) = Statement::read_unverified(bytes) {
        assert!(
            statement
                .act
                .alias()
                .is_none_or(|alias| VaultName::parse(alias.as_str()).is_ok())
        );
    }
    let name = VaultName::parse("m").unwrap();
    if let Ok(record) = Record::read(bytes, VersionId::of(bytes), &name) {
        assert!(
            record
                .files()
                .iter()
                .all(|file| !file.name().starts_with('/') && !file.name().contains("..//"))
        );
        let _bytes = record.bytes();
    }
});
