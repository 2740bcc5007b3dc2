(() => {
  // A random UUID; crypto.randomUUID is missing on plain http hosts other than localhost.
  const uuid = () => {
    const b = crypto.getRandomValues(new Uint8Array(16))
    b[6] = (b[6] & 0x0f) | 0x40
    b[8] = (b[8] & 0x3f) | 0x80
    const hex = [...b].map((n) => n.toString(16).padStart(2, '0')).join('')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
  const kept = (name) => localStorage.getItem(name)
  const keep = (name, value) => {
    localStorage.setItem(name, value)
    document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`
    return value
  }
  const anonymousId = kept('ajs_anonymous_id') || keep('ajs_anonymous_id', uuid())

  // One Segment call, to the host that served the page.
  const call = (path, type, fields) => {
    const now = new Date().toISOString()
    const body = {
      timestamp: now,
      type,
      userId: kept('ajs_user_id'),
      anonymousId,
      integrations: {},
      context: {
        page: {
          path: location.pathname,
          referrer: document.referrer,
          search: location.search,
          title: document.title,
          url: location.href.split('#')[0],
        },
        userAgent: navigator.userAgent,
        locale: navigator.language,
        library: { name: 'shop.js', version: '1.0' },
      },
      messageId: `shop-js-${Date.now()}-${uuid()}`,
      writeKey: document.body.dataset.writeKey,
      sentAt: now,
      ...fields,
    }
    const headers = { 'content-type': 'text/plain' }
    return fetch(`/cdp/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body), keepalive: true })
  }
  const quietly = (sent) => sent.catch((error) => console.warn('analytics:', error))

  quietly(call('p', 'page', {
    properties: {
      path: location.pathname,
      referrer: document.referrer,
      search: location.search,
      title: document.title,
      url: location.href.split('#')[0],
    },
  }))

  // The customer is known from here on: identify, and only then order.
  const form = document.getElementById('checkout')
  form?.addEventListener('submit', async (submit) => {
    submit.preventDefault()
    const userId = keep('ajs_user_id', form.elements.customer.value)
    await quietly(call('i', 'identify', { userId, traits: { email: form.elements.email.value } }))
    form.submit()
  })
})()
