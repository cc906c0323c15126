// Preloaded into the server: names that end in ".test" are looked up in the file of RESOLVER_FILE, whose lines are
// "NAME ADDRESS...", "NAME !" for a resolver that does not answer now, or "NAME ~" for one that never will.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char*, const char*, const struct addrinfo*, struct addrinfo**);

int getaddrinfo(const char* name, const char* port, const struct addrinfo* hints, struct addrinfo** found) {
  lookup* const real = (lookup*)dlsym(RTLD_NEXT, "getaddrinfo");
  const char* const end = name ? strstr(name, ".test") : NULL;
  if (!end || end[5] || (hints && hints->ai_flags & AI_NUMERICHOST)) return real(name, port, hints, found);
  FILE* const file = fopen(getenv("RESOLVER_FILE"), "re");
  if (!file) return EAI_FAIL;
  char line[1024];
  int outcome = EAI_NONAME;
  *found = NULL;
  while (fgets(line, sizeof line, file)) {
    char* rest;
    const char* word = strtok_r(line, " \n", &rest);
    if (!word || strcmp(word, name)) continue;
    while ((word = strtok_r(NULL, " \n", &rest))) {
      if (!strcmp(word, "~")) {
        fclose(file);
        dprintf(2, "the resolver hangs\n");
        for (;;) pause();
      }
      if (!strcmp(word, "!")) {
        outcome = EAI_AGAIN;
        continue;
      }
      struct addrinfo** last = found;
      while (*last) last = &(*last)->ai_next;
      outcome = real(word, port, hints, last);
    }
  }
  fclose(file);
  return outcome;
}
