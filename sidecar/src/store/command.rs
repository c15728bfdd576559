//! `portcullis store`.

use std::path::PathBuf;

use clap::Subcommand;

use super::location::from_file;
use super::postgres::{self, Target};
use crate::Report;
use crate::failure::Failure;
use crate::secret_file;

/// What to do with the database.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make or upgrade the schema in PostgreSQL and the role that the sidecar runs as
    Migrate(MigrateArgs),
}

/// Where, and for whom.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis store migrate --admin-url 'postgres:///portcullis?host=/run/postgresql'
  portcullis store migrate --admin-url-file admin-url --role-password-file sidecar-password

The account of the URL makes the schema `portcullis` in the database of the URL and owns it; it has to be allowed to make schemas
and roles. The role is a login that owns nothing and for which row-level security holds. Run it again after an upgrade of
portcullis: what is there already stays, and it is one transaction.

Exit codes:
  0  the schema is that of this version
  2  wrong usage, or the database refused")]
pub(crate) struct MigrateArgs {
    /// URL of an account that may make schemas and roles, without a password
    #[arg(long, value_name = "URL", required_unless_present = "admin_url_file")]
    admin_url: Option<String>,
    /// File with that URL, for one with a password; readable by its owner alone
    #[arg(long, value_name = "FILE", conflicts_with = "admin_url")]
    admin_url_file: Option<PathBuf>,
    /// The sidecar's role
    #[arg(long, value_name = "NAME", default_value = "portcullis")]
    role: String,
    /// File with a password that the role is to have; readable by its owner alone
    #[arg(long, value_name = "FILE")]
    role_password_file: Option<PathBuf>,
    /// Certificate authorities of the database server (PEM), instead of those of the system
    #[arg(long, value_name = "FILE")]
    store_ca: Option<PathBuf>,
}

pub(crate) fn run(command: &Command) -> Result<Report, Failure> {
    match command {
        Command::Migrate(args) => migrate(args),
    }
}

fn migrate(args: &MigrateArgs) -> Result<Report, Failure> {
    let ca = args.store_ca.as_deref();
    let target = match (&args.admin_url, &args.admin_url_file) {
        (Some(url), _) => Target::new(url, ca)?,
        (None, Some(path)) => from_file(path, ca)?,
        (None, None) => return Err(Failure::new("--admin-url or --admin-url-file is missing")),
    };
    if args.admin_url.is_some() && target.has_password() {
        return Err(Failure::new(
            "--admin-url has a password, which every process of this machine can see: use --admin-url-file",
        ));
    }
    if args.role.is_empty() || args.role.len() > 63 || args.role.chars().any(char::is_control) {
        return Err(Failure::new("--role is no name of a role"));
    }
    let password = args.role_password_file.as_deref().map(secret_file::read_text).transpose()?;
    let done = postgres::migrate(&target, &args.role, password.as_deref())?;
    let schema = match done.from {
        0 => format!("schema made (version {})", done.to),
        from if from == done.to => format!("schema is current (version {from})"),
        from => format!("schema upgraded from version {from} to {}", done.to),
    };
    let role = if done.new_role { "made" } else { "there" };
    Ok(Report::new(format!("{schema}; role `{}` {role}\n", args.role), false))
}
