/* common/sandbox.h: what a connector gives up before it reads its first request. */
#pragma once

/* No core, not dumpable, no new privileges; no file by any name (Landlock, where the kernel has it); no program, no
 * process, no listening socket, no kernel interface that it does not need (seccomp; ends the process when that cannot
 * be had). Call when every library has read its own files. Says on standard error what it got. */
void sandbox_enter(void);
