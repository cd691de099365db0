"""The kernel-level threads of a program: all of them stand still at once, are captured, and go on elsewhere.

Theory. A program's threads share one interpreter lock, but not one position: while the main thread stands at its safe
point the others go on whenever they get the lock. So they are *gathered* first (`gathering`). Each comes to rest in one
of two ways:

- *parked*: it runs bytecode. An opcode event is armed on its innermost frame (`parking`), and at the next instruction
  it waits on a gate of ours, at an exact position, until the freeze is over.
- *blocked*: it waits in a C call that may be made again (`blocking.BLOCKING`), which its frame shows, and in the very
  system call that this call makes, which the kernel shows (`kernel`). A thread whose call has ended, and that waits for
  the interpreter lock with a result in hand, looks the same in its frame, but not to the kernel: it waits for another
  address. It is left to arrive at its event, and parks there. So nothing that a call has consumed is consumed again.

When all are at rest their stacks are captured, with the interpreter lock not let go of in between, and join the main
thread's (`record.Stack.threads`). What a thread keeps of its own, the interpreter keeps in its thread state (`states`):
its context variables, its part of each `threading.local`, the exception it handles; `books` is what the module
`threading` writes down about all of them.

A blocked thread may wake up while the image is being written. It cannot run an instruction of the program, since its
frame is armed; but the image would say that it still waits. So what the kernel says of every thread is written down at
the capture (`Gathering.proof`) and compared, word for word, when the host process is stopped. If anything has changed,
the image is dropped and the program captured afresh. Threads that are about to wake up are waited for beforehand.

At the other end a *crew* of as many new threads is made before the heap is loaded (`crew`): locks that the interpreter
releases at a thread's end, handles and identities can only be had from the thread itself. Each takes on what was its
own (locals, context, re-entrant locks that it holds, signal mask) and waits; when the program may go on it calls its
resumer, with nothing of ours below it on the stack.

Guarantees.
1. A program without other threads pays one look at the list of thread states for each attempt.
2. The same `Thread` objects, names, daemon flags, locals and locks; waiting calls have the rest of their time.
3. A gathering that does not come about in its time lets all threads go on, and says which one holds it back, where and
   in what; one that is pinned by a C function is parked as soon as that returns.
4. No thread, timer or descriptor of ours is in the program; nothing remains installed.

Identities. `get_ident()` is an address and cannot be the same elsewhere. Numbers in the heap that are one (what a
program has kept of it, `Thread.ident`, keys of dicts) become that of the new thread, as addresses of objects do
(`heap.addresses`). Kernel numbers (`native_id`) are small and look like any other number: those of `Thread` objects are
set anew, one that the program has kept elsewhere stays what it was.

Rejected: stopping threads by holding the interpreter lock (a thread between two instructions does not say on which side
of a call it stands); a signal to each thread (handlers run in the main thread only); waking blocked threads up (a lock
that was acquired for a moment is seen by everybody else).
"""
