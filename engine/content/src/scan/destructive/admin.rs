//! Clouds, clusters, containers, storage and databases: command lines whose verb destroys.
//!
//! These programs share a shape, `tool noun verb target`, so the verb is looked for among the
//! operands of any of them, and exceptions are told one by one.

use super::Rule;
use super::files::{dry, help};
use crate::scan::shell::Command;

/// A command line of an administration tool.
pub(super) fn check(command: &Command, name: &str) -> Option<Rule> {
    if dry(command) {
        return None;
    }
    // What Ceph asks before it destroys.
    if command.args().any(|arg| arg.ends_with("-really-mean-it")) {
        return Some(Rule::DataDestroy);
    }
    let data = DATA.has(name);
    if !data && !CLOUD.has(name) {
        return special(command, name);
    }
    if help(command) {
        return None;
    }
    let found = special(command, name);
    if found.is_some() {
        return found;
    }
    // The verb stands among the first words, before any value.
    let verb = command
        .args()
        .skip_while(|arg| arg.starts_with('-'))
        .take_while(|arg| !arg.starts_with('-'))
        .take(5)
        .take_while(|arg| name == "aws" || name == "gcloud" && *arg == "run" || !READS.contains(arg))
        .filter(|arg| name != "aws" || !arg.contains('/'))
        .any(destroys);
    let flag = command.args().any(|arg| {
        matches!(
            arg,
            "--delete"
                | "--destroy"
                | "--purge"
                | "-purge"
                | "--force-delete"
                | "--delete-excluded"
                | "--delete-source"
                | "--delete-destination"
                | "--delete-unmatched-destination-objects"
        ) || arg.starts_with("--delete-destination=") && arg.ends_with("true")
    });
    (verb || flag).then_some(if data { Rule::DataDestroy } else { Rule::CloudDestroy })
}

/// Names, and which letters those of each length begin with: that says no to nearly all.
struct Names {
    list: &'static [&'static str],
    begins: [u32; 32],
}

impl Names {
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    const fn new(list: &'static [&'static str]) -> Self {
        let mut begins = [0; 32];
        let mut at = 0;
        while at < list.len() {
            begins[list[at].len() & 31] |= 1 << (list[at].as_bytes()[0] & 31);
            at += 1;
        }
        Self { list, begins }
    }

    fn has(&self, name: &str) -> bool {
        let first = name.as_bytes().first().map_or(0, |first| first & 31);
        self.begins.get(name.len() & 31).is_some_and(|begins| begins >> first & 1 == 1) && self.list.contains(&name)
    }
}

/// `delete`, `delete-stack`, `batch-delete-image`, `deleteMany`, `remove-tags`, …
fn destroys(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let mut parts = word.split(['-', '_', ':']);
    parts.any(|part| {
        matches!(
            part,
            "delete"
                | "destroy"
                | "terminate"
                | "purge"
                | "remove"
                | "rm"
                | "rb"
                | "drop"
                | "uninstall"
                | "wipe"
                | "nuke"
                | "flush"
                | "flushall"
                | "flushdb"
                | "erase"
                | "unpublish"
                | "rmi"
                | "del"
                | "empty"
                | "deprovision"
                | "undeploy"
                | "teardown"
                | "dropdb"
                | "deregister"
                | "deletion"
                | "reset"
                | "rollback"
                | "truncate"
                | "decommission"
                | "forget"
                | "revoke"
                | "detach"
                | "cancel"
                | "disable"
                | "undeclare"
        )
    }) && !matches!(
        word.as_str(),
        "cancel" | "detach" | "disable" | "rollback" | "revoke" | "empty" | "reset" | "remove-" | "forget" | "flush"
    )
}

fn special(command: &Command, name: &str) -> Option<Rule> {
    let first = command.operands().next().unwrap_or("");
    let second = command.operands().nth(1).unwrap_or("");
    let cloud = || Some(Rule::CloudDestroy);
    let data = || Some(Rule::DataDestroy);
    match name {
        "terraform" | "tofu" | "terragrunt" => {
            let destroy = command.args().any(|arg| matches!(arg, "-destroy" | "--destroy" | "destroy" | "destroy-all"))
                && first != "plan";
            let state = (first == "state" && matches!(second, "rm" | "push" | "replace-provider"))
                || (first == "workspace" && second == "delete")
                || first == "force-unlock"
                || first == "taint";
            let unasked =
                first == "apply" && command.args().any(|arg| arg.trim_start_matches('-').starts_with("auto-approve"));
            (destroy || state || unasked).then(cloud)?
        }
        "kubectl" | "oc" | "k" => {
            let drains = matches!(first, "drain") || (first == "replace" && command.has(&["--force"]));
            let zero = first == "scale" && command.args().any(|arg| arg == "--replicas=0");
            let patched = first == "patch" && command.args().any(|arg| arg.contains("\"finalizers\""));
            (!dry(command) && (drains || zero || patched || first == "cordon")).then(cloud)?
        }
        "helm" => matches!(first, "uninstall" | "delete" | "del" | "un" | "rollback").then(cloud)?,
        "pulumi" => {
            (first == "destroy" || first == "down" || (first == "stack" && second == "rm") || (first == "cancel"))
                .then(cloud)?
        }
        "docker" | "podman" | "nerdctl" => {
            let force = command.short('f') || command.has(&["--force"]);
            let found = match first {
                "rm" | "rmi" => force || command.args().any(|arg| arg.starts_with("$(")) || command.short('v'),
                "system" | "builder" | "image" | "container" | "network" | "buildx" => {
                    matches!(second, "prune" | "reset") || (second == "rm" && force)
                }
                "volume" | "stack" | "service" | "swarm" | "secret" | "config" | "node" | "context" => {
                    matches!(second, "prune" | "rm" | "remove") || (second == "leave" && force)
                }
                "compose" => {
                    second == "rm" && force
                        || (command.operands().any(|arg| arg == "down")
                            && (command.short('v') || command.has(&["--volumes", "--rmi"])))
                }
                "prune" => true,
                "kill" | "stop" => command.args().any(|arg| arg.starts_with("$(")),
                _ => false,
            };
            // For these the generic verb says too much: `docker rm x` removes a stopped container.
            found.then(data)?
        }
        "docker-compose" | "podman-compose" => ((command.operands().any(|arg| arg == "down")
            && (command.short('v') || command.has(&["--volumes", "--rmi"])))
            || (first == "rm" && command.short('f')))
        .then(data)?,
        "redis-cli" | "valkey-cli" | "keydb-cli" => command
            .args()
            .any(|arg| {
                let arg = arg.to_ascii_lowercase();
                matches!(arg.as_str(), "flushall" | "flushdb" | "shutdown" | "debug" | "del" | "unlink" | "failover")
                    || (arg == "config" && command.args().any(|arg| arg.eq_ignore_ascii_case("set")))
            })
            .then(data)?,
        "mongo" | "mongosh" | "mongod" => {
            let text = command.args().chain(command.stdin.as_deref());
            let mut text = text;
            text.any(|arg| {
                [
                    "dropDatabase(",
                    ".drop(",
                    "deleteMany({})",
                    "deleteMany( {} )",
                    ".remove({})",
                    "dropUser(",
                    "dropAllUsers",
                    "dropIndexes(",
                    "shutdownServer(",
                ]
                .iter()
                .any(|word| arg.contains(word))
            })
            .then(data)?
        }
        "mongorestore" | "pg_restore" => {
            (command.has(&["--drop", "--clean"]) || (name == "pg_restore" && command.short('c'))).then(data)?
        }
        "dropdb" | "dropuser" | "mysqladmin" if name != "mysqladmin" => {
            (!help(command) && command.operands().next().is_some()).then(data)?
        }
        "mysqladmin" => command
            .args()
            .any(|arg| matches!(arg, "drop" | "shutdown" | "kill" | "flush-privileges") && arg != "flush-privileges")
            .then(data)?,
        "pg_ctl" => (first == "stop" && command.args().any(|arg| arg == "immediate")).then(data)?,
        "pg_dropcluster" | "pg_resetwal" | "pg_resetxlog" => data(),
        "rabbitmqctl" | "rabbitmqadmin" => {
            (command.operands().any(|arg| matches!(arg, "reset" | "force_reset" | "purge_queue" | "delete"))
                || command.operands().any(destroys))
            .then(data)?
        }
        "curl" | "wget" | "http" | "https" | "xh" => {
            // DELETE against a search or key-value server's API.
            let method = command.words.windows(2).any(|pair| {
                pair.first().is_some_and(|word| matches!(word.text.as_str(), "-X" | "--request" | "--method"))
                    && pair.get(1).is_some_and(|word| word.text.eq_ignore_ascii_case("delete"))
            }) || command
                .args()
                .any(|arg| matches!(arg, "-XDELETE" | "--request=DELETE" | "DELETE" | "--method=DELETE"));
            method.then(cloud)?
        }
        "npm" | "yarn" | "pnpm" => {
            (matches!(first, "unpublish" | "deprecate") || first == "npm" && second == "unpublish").then(cloud)?
        }
        "cargo" => (first == "yank").then(cloud)?,
        "gh" | "glab" | "tea" => {
            let api = first == "api"
                && command.args().any(|arg| arg.eq_ignore_ascii_case("delete") || arg.eq_ignore_ascii_case("-xdelete"));
            (api || matches!(second, "delete" | "archive")).then(cloud)?
        }
        "rclone" => matches!(
            first,
            "delete" | "purge" | "sync" | "cleanup" | "deletefile" | "rmdir" | "rmdirs" | "move" | "dedupe"
        )
        .then(data)?,
        "restic" => (matches!(first, "forget" | "prune")
            || (first == "key" && second == "remove")
            || (first == "unlock" && command.has(&["--remove-all"])))
        .then(data)?,
        "borg" | "borgmatic" => {
            matches!(first, "delete" | "prune" | "break-lock" | "recreate" | "compact").then(data)?
        }
        "velero" => (matches!(second, "delete") || first == "delete").then(data)?,
        "vault" => (matches!(second, "delete" | "destroy" | "disable" | "revoke")
            || matches!(first, "delete" | "seal")
            || command.operands().any(|arg| arg == "metadata") && command.operands().any(|arg| arg == "delete"))
        .then(cloud)?,
        "etcdctl" => (first == "del" || (second == "remove")).then(data)?,
        "gsutil" => {
            let mirrors = first == "rsync" && command.short('d');
            (mirrors || matches!(first, "rm" | "rb")).then(data)?
        }
        "virsh" => matches!(
            first,
            "destroy" | "undefine" | "vol-delete" | "pool-delete" | "pool-destroy" | "snapshot-delete" | "vol-wipe"
        )
        .then(cloud)?,
        "vagrant" => (first == "destroy").then(cloud)?,
        "ansible" => None,
        "fastboot" => matches!(first, "erase" | "format" | "flash" | "oem").then(data)?,
        "adb" => {
            (command.args().any(|arg| matches!(arg, "wipe" | "uninstall" | "clear")) && first != "logcat").then(data)?
        }
        "wrangler" | "vercel" | "netlify" | "flyctl" | "fly" | "heroku" | "railway" | "firebase" | "supabase" => {
            let reset = first == "db" && second == "reset"
                || first.ends_with(":destroy")
                || first.ends_with(":delete")
                || first.ends_with(":reset");
            (reset || matches!(first, "remove" | "rm")).then(cloud)?
        }
        "prisma" | "npx" | "sequelize" | "rails" | "rake" | "artisan" | "php" | "python" | "manage.py" | "alembic"
        | "flask" | "mix" | "knex" | "typeorm" => {
            let wipes = command.args().take(6).any(|arg| {
                matches!(
                    arg,
                    "db:drop"
                        | "db:reset"
                        | "db:wipe"
                        | "migrate:fresh"
                        | "migrate:reset"
                        | "ecto.drop"
                        | "ecto.reset"
                        | "schema:drop"
                        | "db:drop:all"
                        | "db:purge"
                        | "db:schema:load"
                )
            });
            let django = command.args().any(|arg| arg.ends_with("manage.py"))
                && command.args().any(|arg| matches!(arg, "flush" | "reset_db" | "sqlflush"));
            let prisma = command.args().any(|arg| arg == "migrate") && command.args().any(|arg| arg == "reset")
                || command.args().any(|arg| arg == "--force-reset");
            (wipes || django || prisma).then(data)?
        }
        "apachectl" | "nginx" => None,
        "kafka-topics"
        | "kafka-topics.sh"
        | "kafka-configs"
        | "kafka-acls"
        | "kafka-consumer-groups"
        | "kafka-consumer-groups.sh"
        | "kafka-delete-records"
        | "kafka-delete-records.sh" => {
            (command.has(&["--delete", "--reset-offsets", "--delete-offsets"]) || name.contains("delete")).then(data)?
        }
        "mc" | "s3cmd" | "s5cmd" | "minio" => {
            let removes = command
                .operands()
                .take(3)
                .any(|arg| matches!(arg, "rb" | "rm" | "del" | "remove" | "delete" | "sync" | "mirror"));
            let mirror = command.operands().take(2).any(|arg| matches!(arg, "mirror" | "sync"));
            (removes && (!mirror || command.has(&["--remove", "--delete", "--delete-removed"]))
                || command.operands().take(3).any(|arg| {
                    matches!(arg, "disable" | "stop" | "unset" | "detach") && command.operands().next() == Some("admin")
                }))
            .then(data)?
        }
        _ => None,
    }
}

/// Verbs behind which only names stand: `kubectl get pod delete-me`.
static READS: &[&str] = &[
    "get", "describe", "list", "show", "ls", "logs", "inspect", "view", "status", "explain", "create", "apply", "run",
    "exec", "cat", "info", "watch", "top", "plan",
];

static CLOUD: Names = Names::new(&[
    "aws",
    "gcloud",
    "az",
    "kubectl",
    "k",
    "oc",
    "helm",
    "eksctl",
    "doctl",
    "heroku",
    "flyctl",
    "fly",
    "vercel",
    "netlify",
    "wrangler",
    "ibmcloud",
    "oci",
    "linode-cli",
    "hcloud",
    "vultr-cli",
    "cdk",
    "serverless",
    "sls",
    "sam",
    "consul",
    "nomad",
    "argocd",
    "flux",
    "kops",
    "firebase",
    "supabase",
    "railway",
    "copilot",
    "gcloud-beta",
    "scw",
    "exo",
    "openstack",
    "nova",
    "civo",
    "rancher",
    "istioctl",
    "k3d",
    "kind",
    "minikube",
    "aws-nuke",
    "cloud-nuke",
    "ecs-cli",
    "eb",
    "dapr",
    "pulumi",
    "pscale",
    "neonctl",
    "turso",
    "tctl",
    "ovhcloud",
    "yc",
    "aliyun",
    "tccli",
    "bcloud",
    "packer",
    "render",
    "launchdarkly",
    "ldcli",
    "kong",
    "deck",
    "sfdx",
    "circleci",
    "gitlab-runner",
    "jenkins-cli",
]);

static DATA: Names = Names::new(&[
    "azcopy",
    "bq",
    "mc",
    "s3cmd",
    "s5cmd",
    "influx",
    "nats",
    "virsh",
    "lxc",
    "incus",
    "multipass",
    "vagrant",
    "crictl",
    "ctr",
    "gsutil",
    "aptly",
    "kafkactl",
    "pulsar-admin",
    "curator_cli",
    "elasticdump",
    "meilisearch",
    "doveadm",
    "duplicity",
    "kopia",
    "duplicacy",
    "rdb",
    "cbc",
    "couchbase-cli",
    "nodetool",
    "qm",
    "pct",
    "vboxmanage",
    "pm2",
    "esxcli",
    "crdb",
    "atlas",
    "mongocli",
]);
