package main

import (
	"encoding/json"
	"fmt"
	"net"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Question is the input: everything that decides, and what is asked.
type Question struct {
	Policies []json.RawMessage `json:"policies"`
	Pods     []Pod             `json:"pods"`
	Queries  []Query           `json:"queries"`
}

// Pod is a pod with one address; its named ports are those of TCP.
type Pod struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	Labels          map[string]string `json:"labels"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	IP              string            `json:"ip"`
	Ports           map[string]int    `json:"ports"`
}

// Query asks for one connection.
type Query struct {
	From     End             `json:"from"`
	To       End             `json:"to"`
	Port     int             `json:"port"`
	Protocol corev1.Protocol `json:"protocol"`
}

// End is an end of a connection: a pod by its name, or an address outside the cluster as {"ip": ADDRESS}.
type End struct {
	Pod string
	IP  string
}

// UnmarshalJSON takes both forms of an end.
func (e *End) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &e.Pod) == nil {
		return nil
	}
	var address struct {
		IP string `json:"ip"`
	}
	err := json.Unmarshal(data, &address)
	if err == nil && net.ParseIP(address.IP) == nil {
		err = fmt.Errorf("%s is neither the name of a pod nor an address", data)
	}
	e.IP = address.IP
	return err
}

// Answers returns for each query whether egress and ingress both allow it.
func (q *Question) Answers() ([]bool, error) {
	pods := map[string]Pod{}
	for _, pod := range q.Pods {
		if _, there := pods[pod.Name]; there {
			return nil, fmt.Errorf("two pods are named %q", pod.Name)
		}
		if net.ParseIP(pod.IP) == nil {
			return nil, fmt.Errorf("the pod %q has no address", pod.Name)
		}
		pods[pod.Name] = pod
	}
	var policies []*networkingv1.NetworkPolicy
	for _, text := range q.Policies {
		policy, err := readPolicy(text)
		if err != nil {
			return nil, err
		}
		policies = append(policies, policy)
	}
	compiled := matcher.BuildNetworkPolicies(false, policies)
	answers := make([]bool, 0, len(q.Queries))
	for _, query := range q.Queries {
		source, err := peer(pods, query.From)
		if err != nil {
			return nil, err
		}
		target, err := peer(pods, query.To)
		if err != nil {
			return nil, err
		}
		if query.Port < 1 || query.Protocol == "" {
			return nil, fmt.Errorf("the query %+v has no port or no protocol", query)
		}
		traffic := matcher.Traffic{Source: source, Destination: target, ResolvedPort: query.Port, Protocol: query.Protocol}
		answers = append(answers, allowed(compiled, traffic, names(pods[query.To.Pod], query)))
	}
	return answers, nil
}

// allowed tries each name that the port has, for each direction by itself: a rule may use any of them.
func allowed(policies *matcher.Policy, traffic matcher.Traffic, names []string) bool {
	ingress, egress := false, false
	for _, name := range names {
		traffic.ResolvedPortName = name
		result := policies.IsTrafficAllowed(&traffic)
		ingress = ingress || result.Ingress.IsAllowed()
		egress = egress || result.Egress.IsAllowed()
	}
	return ingress && egress
}

func names(target Pod, query Query) []string {
	found := []string{""}
	for name, number := range target.Ports {
		if number == query.Port && query.Protocol == corev1.ProtocolTCP {
			found = append(found, name)
		}
	}
	return found
}

func peer(pods map[string]Pod, end End) (*matcher.TrafficPeer, error) {
	if end.Pod == "" {
		return &matcher.TrafficPeer{IP: end.IP}, nil
	}
	pod, there := pods[end.Pod]
	if !there {
		return nil, fmt.Errorf("a query names the pod %q, which is not there", end.Pod)
	}
	internal := &matcher.InternalPeer{PodLabels: pod.Labels, NamespaceLabels: pod.NamespaceLabels, Namespace: pod.Namespace}
	return &matcher.TrafficPeer{Internal: internal, IP: pod.IP}, nil
}

// readPolicy returns a policy with the types that the API server would add.
func readPolicy(text json.RawMessage) (*networkingv1.NetworkPolicy, error) {
	policy := &networkingv1.NetworkPolicy{}
	if err := json.Unmarshal(text, policy); err != nil {
		return nil, err
	}
	if policy.Namespace == "" {
		return nil, fmt.Errorf("the policy %q has no namespace", policy.Name)
	}
	if len(policy.Spec.PolicyTypes) == 0 {
		policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(policy.Spec.Egress) > 0 {
			policy.Spec.PolicyTypes = append(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	for _, selector := range selectors(policy.Spec) {
		if err := check(selector); err != nil {
			return nil, fmt.Errorf("policy %s/%s: %w", policy.Namespace, policy.Name, err)
		}
	}
	return policy, nil
}

func selectors(spec networkingv1.NetworkPolicySpec) []*metav1.LabelSelector {
	found := []*metav1.LabelSelector{&spec.PodSelector}
	var peers []networkingv1.NetworkPolicyPeer
	for _, rule := range spec.Ingress {
		peers = append(peers, rule.From...)
	}
	for _, rule := range spec.Egress {
		peers = append(peers, rule.To...)
	}
	for _, peer := range peers {
		for _, selector := range []*metav1.LabelSelector{peer.PodSelector, peer.NamespaceSelector} {
			if selector != nil {
				found = append(found, selector)
			}
		}
	}
	return found
}

// check returns an error for a selector that Cyclonus v0.5.6 matches in another way than Kubernetes does: to NotIn a label that is
// absent does not match there, and an empty value matches one.
func check(selector *metav1.LabelSelector) error {
	for key, value := range selector.MatchLabels {
		if value == "" {
			return fmt.Errorf("the matcher takes an absent label for %s with an empty value", key)
		}
	}
	for _, expression := range selector.MatchExpressions {
		if expression.Operator == metav1.LabelSelectorOpNotIn {
			return fmt.Errorf("the matcher takes a pod without the label %s for one that NotIn does not match", expression.Key)
		}
	}
	return nil
}
