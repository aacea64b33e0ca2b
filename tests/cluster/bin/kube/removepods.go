package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	cri "k8s.io/cri-client/pkg"
)

// removePods ends every pod of a container runtime at once, without grace: `kube remove-pods unix:///…/containerd.sock`.
// Through the runtime, not by signals, so that it also undoes the pods' networks and mounts. It is for the end of the cluster,
// when the kubelet, which would start them again, is gone.
func removePods() int {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kube remove-pods unix:///path/to/runtime.sock")
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	runtime, err := cri.NewRemoteRuntimeService(os.Args[1], 30*time.Second, nil, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	pods, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	failures := make(chan error, len(pods))
	for _, pod := range pods {
		go func(id string) {
			failures <- errors.Join(runtime.StopPodSandbox(ctx, id), runtime.RemovePodSandbox(ctx, id))
		}(pod.Id)
	}
	code := 0
	for range pods {
		if err := <-failures; err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}
