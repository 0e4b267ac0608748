"""What a policy that never acted would have earned, from the log of one that did; or why the log cannot tell."""
