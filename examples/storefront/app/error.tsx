"use client"

export default function ErrorPage({ reset }: { reset: () => void }) {
  return (
    <section className="message">
      <h1>The shop does not answer.</h1>
      <p>We could not load the products. Please try again in a moment.</p>
      <button type="button" className="button" onClick={reset}>
        Try again
      </button>
    </section>
  )
}
