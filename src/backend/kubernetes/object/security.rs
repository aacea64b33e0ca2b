//! What a pod and its containers may do: what their template leaves open is as the `restricted` Pod Security Standard wants it. What it says stays as it is;
//! whether that is allowed, the namespace decides.

use k8s_openapi::api::core::v1::{Container, PodSpec, SeccompProfile, SecurityContext};

/// The user and group that a pod runs as where nothing else is said: most images would be root, which `restricted` refuses.
pub const USER: i64 = 10_001;

pub fn confine(spec: &mut PodSpec) {
    // A token is for who talks to the cluster, and no run has to.
    spec.automount_service_account_token = Some(false);
    let pod = spec.security_context.get_or_insert_default();
    let user = *pod.run_as_user.get_or_insert(USER);
    pod.run_as_group.get_or_insert(USER);
    pod.fs_group.get_or_insert(USER);
    // Else a volume with a million files keeps the pod waiting while all of them change hands.
    pod.fs_group_change_policy.get_or_insert_with(|| "OnRootMismatch".into());
    pod.run_as_non_root.get_or_insert(user != 0);
    pod.seccomp_profile.get_or_insert_with(|| SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() });
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        confine_container(container);
    }
}

fn confine_container(container: &mut Container) {
    let context = container.security_context.get_or_insert_default();
    if context.run_as_user == Some(0) {
        // The pod's own word would be against it.
        context.run_as_non_root.get_or_insert(false);
    }
    if context.privileged == Some(true) {
        return;
    }
    context.allow_privilege_escalation.get_or_insert(false);
    context.capabilities.get_or_insert_default().drop.get_or_insert_with(|| vec!["ALL".into()]);
}

/// Who a container is, for another that shares its files.
#[must_use]
pub fn same_user(of: &Container) -> Option<SecurityContext> {
    let context = of.security_context.as_ref()?;
    (context.run_as_user.is_some() || context.run_as_group.is_some() || context.se_linux_options.is_some()).then(|| SecurityContext {
        run_as_group: context.run_as_group,
        run_as_non_root: context.run_as_non_root,
        run_as_user: context.run_as_user,
        se_linux_options: context.se_linux_options.clone(),
        ..SecurityContext::default()
    })
}
