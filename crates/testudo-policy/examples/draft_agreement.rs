//! How often people agree with proposed specifications: `cargo run -p testudo-policy --example draft_agreement -- TOOLS ROLES`.
#![expect(
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "an example prints, and counts little"
)]

use std::error::Error;
use std::path::Path;

use serde_json::Value;
use testudo_policy::drafting;
use testudo_policy::provenance::{Effect, ToolSpecs};

fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let [tools, roles] = files.as_slice() else {
        return Err("give the definitions and the tables".into());
    };
    let read = |path: &str| -> Result<Value, Box<dyn Error>> {
        let file = std::fs::File::open(Path::new(path))?;
        Ok(serde_json::from_reader(std::io::BufReader::new(file))?)
    };
    let (tools, tables) = (read(tools)?, ToolSpecs::from_roles(&read(roles)?)?);
    let (mut effects, mut same_effect, mut roles, mut same_role) = (0, 0, 0, 0);
    for (suite, table) in &tables {
        for draft in drafting::draft(tools.get(suite).unwrap_or(&Value::Null))? {
            let Some(reviewed) = table.tool(&draft.name) else {
                continue;
            };
            effects += 1;
            same_effect += usize::from(draft.effect == reviewed.effect);
            if draft.effect != reviewed.effect {
                let milder = draft.effect <= Effect::EgressRead && reviewed.effect > draft.effect;
                let mark = if milder { "MILDER " } else { "" };
                println!(
                    "{mark}{suite} {}: {} for {}",
                    draft.name,
                    draft.effect.as_str(),
                    reviewed.effect.as_str()
                );
            }
            for argument in &draft.arguments {
                let role = reviewed.role(&argument.path);
                roles += 1;
                same_role += usize::from(argument.role == role);
                if argument.role != role && reviewed.effect.is_consequential() {
                    let milder = role.must_be_named() && !argument.role.must_be_named();
                    let mark = if milder { "MILDER " } else { "" };
                    println!(
                        "{mark}{suite} {}.{}: {} for {}",
                        draft.name,
                        argument.path,
                        argument.role.as_str(),
                        role.as_str()
                    );
                }
            }
        }
    }
    println!("effects {same_effect}/{effects}, roles {same_role}/{roles}");
    Ok(())
}
