# The man page and the completion come from the option table inside the program.
$(O)/heaptap.1: $(O)/heaptap
	$(call msg,DOC,$@)
	$(Q)$(O)/heaptap help --man >$@

$(O)/heaptap.bash: $(O)/heaptap
	$(call msg,DOC,$@)
	$(Q)$(O)/heaptap help --bash-completion >$@
