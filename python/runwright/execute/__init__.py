"""What runs inside the process or the pod: a supervisor and the child it forks. Standard library only, Python 3.9 and later."""
