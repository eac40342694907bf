//! The binary from outside.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod believed;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod finding;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod mlflow;
#[cfg(test)]
mod opened;
#[cfg(test)]
mod program;
#[cfg(test)]
mod serve;
#[cfg(test)]
#[cfg(feature = "pkcs11")]
mod token_signer;
#[cfg(test)]
mod told;
#[cfg(test)]
mod trusting;
#[cfg(test)]
mod vault;
#[cfg(test)]
#[cfg(feature = "s3")]
mod vault_s3;
#[cfg(test)]
#[cfg(feature = "pkcs11")]
mod vault_token;
