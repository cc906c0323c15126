/* A FastCGI program on libfcgi: fastcgi_program SOCKET, or without one on descriptor 0. As a responder it says what it was sent, or with ?go=PATH
 * redirects there; as an authorizer it lets through whoever has the cookie "pass"; as a filter it answers with the
 * file in capitals, as it comes. */
#include <ctype.h>
#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void respond(FCGX_Request *request) {
  const char *length = FCGX_GetParam("CONTENT_LENGTH", request->envp);
  const char *user = FCGX_GetParam("REMOTE_USER", request->envp);
  const char *redirect = strstr(FCGX_GetParam("REQUEST_URI", request->envp), "?go=");
  if (redirect) {
    FCGX_FPrintF(request->out, "Location: %s\r\n\r\n", redirect + 4);
    return;
  }
  long left = length ? atol(length) : 0, total = 0;
  char buffer[4096];
  while (left > 0) {
    int count = FCGX_GetStr(buffer, left < (long)sizeof buffer ? (int)left : (int)sizeof buffer, request->in);
    if (count <= 0) break;
    left -= count;
    total += count;
  }
  FCGX_FPrintF(request->out, "Content-Type: text/plain\r\n\r\nrole %s path %s user %s body %ld\n",
               FCGX_GetParam("FCGI_ROLE", request->envp), FCGX_GetParam("PATH_INFO", request->envp),
               user ? user : "-", total);
  FCGX_FPrintF(request->err, "answered\n");
}

static void authorize(FCGX_Request *request) {
  const char *cookie = FCGX_GetParam("HTTP_COOKIE", request->envp);
  if (cookie && strstr(cookie, "pass")) {
    FCGX_FPrintF(request->out, "Status: 200\r\nVariable-REMOTE_USER: ada\r\n\r\n");
  } else {
    FCGX_FPrintF(request->out, "Status: 403\r\nContent-Type: text/plain\r\n\r\nno cookie\n");
  }
}

static void filter(FCGX_Request *request) {
  const char *query = FCGX_GetParam("QUERY_STRING", request->envp);
  char buffer[8192];
  long input = 0;
  int count;
  while ((count = FCGX_GetStr(buffer, sizeof buffer, request->in)) > 0) input += count;
  FCGX_FPrintF(request->out, "Content-Type: text/plain\r\nX-Length: %s\r\nX-Modified: %s\r\nX-Input: %ld\r\n\r\n",
               FCGX_GetParam("FCGI_DATA_LENGTH", request->envp), FCGX_GetParam("FCGI_DATA_LAST_MOD", request->envp),
               input);
  if (query && strcmp(query, "early") == 0) return;
  if (FCGX_StartFilterData(request->in) != 0) return;
  while ((count = FCGX_GetStr(buffer, sizeof buffer, request->in)) > 0) {
    for (int at = 0; at < count; ++at) buffer[at] = (char)toupper((unsigned char)buffer[at]);
    FCGX_PutStr(buffer, count, request->out);
    if (query && strcmp(query, "die") == 0) abort();
  }
}

int main(int count, char **arguments) {
  FCGX_Request request;
  if (FCGX_Init() != 0) return 2;
  int socket = count == 2 ? FCGX_OpenSocket(arguments[1], 64) : 0;
  if (socket < 0 || FCGX_InitRequest(&request, socket, 0) != 0) return 1;
  if (count == 2) fprintf(stderr, "listening\n");
  while (FCGX_Accept_r(&request) == 0) {
    const char *role = FCGX_GetParam("FCGI_ROLE", request.envp);
    if (role && strcmp(role, "AUTHORIZER") == 0) {
      authorize(&request);
    } else if (role && strcmp(role, "FILTER") == 0) {
      filter(&request);
    } else {
      respond(&request);
    }
    FCGX_Finish_r(&request);
  }
  return 0;
}
