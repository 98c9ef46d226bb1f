"""Where runs run on one machine: in processes that are forked from one that has imported all."""
