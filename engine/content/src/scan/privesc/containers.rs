//! Leaving a container, a namespace or a chroot; loading code into the kernel or into other programs.

use super::Rule;
use crate::scan::shell::{Command, Role};

/// Commands that reach the host.
pub(super) fn check(command: &Command, name: &str) -> Option<Rule> {
    let arg = |test: &dyn Fn(&str) -> bool| command.args().any(test);
    let preload = command.assignments.iter().any(|(key, value)| {
        matches!(key.as_str(), "LD_PRELOAD" | "LD_AUDIT" | "DYLD_INSERT_LIBRARIES") && !value.is_empty()
    });
    let kernel = command.redirects.iter().any(|redirect| {
        let path = redirect.target.as_str();
        matches!(redirect.kind, b'>' | b'a')
            && (path == "/proc/sys/kernel/core_pattern"
                || path == "/proc/sys/kernel/modprobe"
                || path.ends_with("/release_agent")
                || path.ends_with("/notify_on_release")
                || path.contains("/etc/cron") && path.starts_with("/mnt")
                || path.ends_with("uevent_helper"))
    });
    let host = command.args().any(|arg| arg.contains("/proc/1/root") || arg.contains("/proc/1/ns/"));
    if kernel || host || preload {
        return Some(Rule::ContainerEscape);
    }
    let found = match name {
        "nsenter" => command.words.len() > 1,
        "unshare" => arg(&|arg| matches!(arg, "-r" | "--map-root-user" | "-Ur" | "-rm" | "-Urm" | "-rU" | "-UrmC")),
        "chroot" => command.operands().next().is_some_and(|root| {
            root == "/" || root.starts_with("/host") || root.starts_with("/mnt") || root.starts_with("/proc/")
        }),
        "docker" | "podman" | "nerdctl" | "ctr" => {
            let mounts = command.words.windows(2).any(|pair| {
                let flag = pair.first().map_or("", |word| word.text.as_str());
                let value = pair.get(1).map_or("", |word| word.text.as_str());
                matches!(flag, "-v" | "--volume" | "--mount") && risky_mount(value)
            }) || arg(&|arg| {
                ["--volume=", "-v=", "--mount="].iter().any(|flag| arg.strip_prefix(flag).is_some_and(risky_mount))
            });
            let capability = |value: &str| {
                let value = value.to_ascii_uppercase();
                matches!(
                    value.trim_start_matches("CAP_"),
                    "ALL"
                        | "SYS_ADMIN"
                        | "SYS_PTRACE"
                        | "SYS_MODULE"
                        | "DAC_READ_SEARCH"
                        | "DAC_OVERRIDE"
                        | "SYS_RAWIO"
                        | "NET_ADMIN"
                        | "BPF"
                )
            };
            let capable = command.words.windows(2).any(|pair| {
                pair.first().is_some_and(|word| word.text == "--cap-add")
                    && pair.get(1).is_some_and(|word| capability(&word.text))
            }) || arg(&|arg| arg.strip_prefix("--cap-add=").is_some_and(capability));
            let spaces = arg(&|arg| {
                matches!(
                    arg,
                    "--privileged"
                        | "--privileged=true"
                        | "--pid=host"
                        | "--ipc=host"
                        | "--userns=host"
                        | "--uts=host"
                        | "--cgroupns=host"
                        | "--security-opt=apparmor=unconfined"
                        | "--security-opt=seccomp=unconfined"
                        | "seccomp=unconfined"
                        | "apparmor=unconfined"
                        | "seccomp:unconfined"
                )
            }) || command.words.windows(2).any(|pair| {
                pair.first().is_some_and(|word| matches!(word.text.as_str(), "--pid" | "--ipc" | "--userns" | "--uts"))
                    && pair.get(1).is_some_and(|word| word.text == "host")
            });
            mounts || capable || spaces
        }
        "kubectl" | "oc" => {
            let overrides = arg(&|arg| {
                let compact: String = arg.chars().filter(|c| !c.is_whitespace()).take(4096).collect();
                ["\"hostPID\":true", "\"hostNetwork\":true", "\"hostIPC\":true", "\"privileged\":true", "\"hostPath\""]
                    .iter()
                    .any(|part| compact.contains(part))
            });
            let debug =
                command.operands().next() == Some("debug") && command.operands().any(|arg| arg.starts_with("node/"));
            let binding =
                command.operands().next() == Some("create") && arg(&|arg| arg == "--clusterrole=cluster-admin");
            let acts = arg(&|arg| arg == "--as=system:admin" || arg == "--as-group=system:masters");
            overrides || debug || binding || acts
        }
        "insmod" | "kexec" => command.operands().next().is_some(),
        "modprobe" => false,
        "debugfs" => command.operands().any(|path| path.starts_with("/dev/")),
        "mount" => {
            let device = command.operands().any(|path| {
                path.starts_with("/dev/sd")
                    || path.starts_with("/dev/dm-")
                    || path.starts_with("/dev/vd")
                    || path.starts_with("/dev/nvme")
            });
            let cgroup = arg(&|arg| arg == "cgroup") && arg(&|arg| arg.contains("rdma") || arg.contains("memory"));
            let target = command.operands().last().is_some_and(|path| path.contains("T1611") || path.contains("/host"));
            cgroup || (device && target)
        }
        "runc" => arg(&|arg| arg == "exec" || arg == "run"),
        "lxc" => arg(&|arg| arg == "security.privileged=true" || arg.starts_with("source=/")),
        "curl" => {
            arg(&|arg| arg.contains("docker.sock") || arg.contains("containerd.sock") || arg.contains("/var/run/crio"))
        }
        "cat" | "ls" => false,
        _ => false,
    };
    found.then_some(Rule::ContainerEscape)
}

/// Members and lines of a manifest that give a container its host (Pod Security Standards, baseline).
pub(super) fn manifest(text: &str, member: Option<&str>, role: Role) -> bool {
    const FLAGS: [&str; 5] = ["privileged", "hostPID", "hostNetwork", "hostIPC", "allowPrivilegeEscalation"];
    match text {
        "true" => member.is_some_and(|member| FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(member))),
        _ if matches!(role, Role::Prose | Role::Document | Role::Search)
            || !["rivilege", "host"]
                .iter()
                .any(|part| memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some()) =>
        {
            false
        }
        _ => FLAGS.iter().any(|flag| {
            text.split(flag).skip(1).take(8).any(|rest| {
                rest.trim_start_matches(['"', '\\', ' '])
                    .strip_prefix(':')
                    .is_some_and(|value| value.trim_start().starts_with("true"))
            })
        }),
    }
}

/// Members of a call that starts a container: what it is given of its host.
pub(super) fn member(text: &str, member: &str) -> bool {
    // The value first: most are none of these.
    let told = text == "host"
        || text.starts_with("ALL")
        || text.contains("SYS_")
        || text.starts_with('/') && text.contains(':');
    if !told || text.len() > 256 || member.len() > 16 {
        return false;
    }
    match member.to_ascii_lowercase().replace('_', "").as_str() {
        "volumes" | "binds" | "mounts" | "volume" => text.contains(':') && risky_mount(text),
        "capadd" | "capabilities" => {
            matches!(text, "ALL" | "SYS_ADMIN" | "SYS_PTRACE" | "SYS_MODULE" | "CAP_SYS_ADMIN")
        }
        "pidmode" | "pid" | "ipcmode" | "usernsmode" => text == "host",
        _ => false,
    }
}

fn risky_mount(value: &str) -> bool {
    let source = value.split(':').next().unwrap_or(value);
    let bound = value
        .split(',')
        .find_map(|part| part.strip_prefix("source=").or_else(|| part.strip_prefix("src=")))
        .unwrap_or(source);
    matches!(
        bound,
        "/" | "/etc"
            | "/root"
            | "/var/run/docker.sock"
            | "/run/docker.sock"
            | "/proc"
            | "/sys"
            | "/dev"
            | "/boot"
            | "/run/containerd/containerd.sock"
            | "/var/run"
            | "/lib/modules"
            | "/etc/"
            | "/root/"
    )
}
